"""Pause Python's garbage collector while many small objects are created."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the garbage collector for as long as the block runs.

    While millions of ids are created, the collector would search all objects again and again. This takes several times
    as long as creating the ids, and finds nothing.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()
