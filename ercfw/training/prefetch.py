"""Compute results ahead of their use, in order, in one thread."""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")
Made = TypeVar("Made")

DEPTH = 2
"""The largest number of results computed ahead: one in use, the next one ready."""


@contextmanager
def prefetch(make: Callable[[T], Made], items: Iterable[T]) -> Iterator[Iterator[Made]]:
    """Yield an iterator over ``make(item)`` for each item in order, which computes at most ``DEPTH`` results ahead.

    An exception of ``make`` is raised in place of its result. The thread ends with the block: left to the garbage
    collector, it would end at a moment when nothing can handle a signal to stop.
    """
    pool = ThreadPoolExecutor(1)
    try:
        yield _in_order(pool, make, items)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _in_order(pool: ThreadPoolExecutor, make: Callable[[T], Made], items: Iterable[T]) -> Iterator[Made]:
    waiting: deque[Future[Made]] = deque()
    for item in items:
        waiting.append(pool.submit(make, item))
        if len(waiting) == DEPTH:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()
