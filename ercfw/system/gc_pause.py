"""Keep Python's garbage collector from searching objects that stay."""

import atexit
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


@contextmanager
def objects_stay() -> Iterator[None]:
    """Pause the collector for as long as the block runs, and keep it from searching what exists then ever again.

    Importing torch makes half a million objects. To search them takes a tenth of a second, each time.
    """
    with collector_paused():
        yield
    gc.freeze()


def skip_last_collection() -> None:
    """Let this process end without a search of all its objects.

    The interpreter collects garbage as it shuts down. After an import of torch this takes half a second, and the system
    takes all memory back in any case.
    """
    atexit.register(gc.freeze)
