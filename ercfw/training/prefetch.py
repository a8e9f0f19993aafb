"""Work done ahead of time, in one thread, in the order in which it is asked for."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
Made = TypeVar("Made")

DEPTH = 2
"""Results that wait at most: one in use, the next ready."""


def ahead(make: Callable[[T], Made], items: Iterable[T]) -> Iterator[Made]:
    """``make(item)`` of each item in order, at most ``DEPTH`` of them before they are asked for.

    What ``make`` raises is raised where its result would have come.
    """
    waiting: deque[Future[Made]] = deque()
    pool = ThreadPoolExecutor(1)
    try:
        for item in items:
            waiting.append(pool.submit(make, item))
            if len(waiting) == DEPTH:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
