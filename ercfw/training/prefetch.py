"""Compute results ahead of their use, in order, in one thread."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
Made = TypeVar("Made")

DEPTH = 2
"""The largest number of results computed ahead: one in use, the next one ready."""


def prefetch(make: Callable[[T], Made], items: Iterable[T]) -> Iterator[Made]:
    """Yield ``make(item)`` for each item in order, computing at most ``DEPTH`` results ahead.

    An exception of ``make`` is raised in place of its result.
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
