"""Python's garbage collector, paused while the small objects of a large corpus are made."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """Nothing is looked through for cycles meanwhile.

    The collector would look through all that is there again and again as millions of ids are made, which
    takes several times as long as making them, and finds nothing.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()
