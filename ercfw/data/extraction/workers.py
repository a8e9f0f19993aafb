"""Several processes of this machine that make features side by side."""

import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context, parent_process
from typing import Any, TypeVar

from ercfw.contract.interfaces import Extractor
from ercfw.errors import RunError
from ercfw.system.launch import cores

T = TypeVar("T")
MOST = 8
"""Processes that are used unless more are asked for: each holds the networks of an extractor."""
WORTH = 2
"""Pieces that a process must have, so that its start is worth its while."""


@dataclass(frozen=True)
class WorkerPool:
    """Processes, and how each of them makes the extractor.

    Attributes:
        processes: how many.
        recruit: makes the extractor; hashable, and the same in another process.
    """

    processes: int
    recruit: Callable[[], Extractor]


def usual_processes() -> int:
    """One a core, a few at most; one where a GPU does the work."""
    import torch

    return 1 if torch.accelerator.is_available() else min(cores(), MOST)


def run_in_workers(
    crew: WorkerPool | None,
    extractor: Extractor,
    name: str,
    pieces: Sequence[T],
    make: Callable[[Extractor, str, T], None],
) -> Iterator[None]:
    """Make every piece, in this process or by a crew; yields as each is done.

    What one process of a crew raises ends the others, and is raised here.

    Raises:
        RunError: a process was killed.
    """
    processes = min(crew.processes, len(pieces) // WORTH) if crew is not None else 1
    if crew is None or processes < 2:
        for piece in pieces:
            make(extractor, name, piece)
            yield
        return
    pool = ProcessPoolExecutor(processes, get_context("spawn"), _initialize, (max(1, cores() // processes),))
    try:
        for done in _in_turn(pool, [(_work, crew.recruit, name, piece, make) for piece in pieces]):
            done.result()
            yield
    except BrokenProcessPool as error:
        raise RunError("a process that was extracting features was killed; what is done is kept") from error
    finally:
        _terminate(pool)


def _in_turn(pool: ProcessPoolExecutor, tasks: Iterable[Sequence[Any]]) -> Iterator[Future[None]]:
    yield from as_completed([pool.submit(*task) for task in tasks])


def _terminate(pool: ProcessPoolExecutor) -> None:
    """End its processes now: pieces are written whole or not at all, so nothing half-done is left."""
    processes = list((pool._processes or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()
    for process in processes:
        process.join()


def _initialize(threads: int) -> None:
    """What a process does before its first piece: Ctrl-C is the parent's to heed, and its end is ours too."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(recruit: Callable[[], Extractor], name: str, piece: T, make: Callable[[Extractor, str, T], None]) -> None:
    make(_recruited(recruit), name, piece)


@cache
def _recruited(recruit: Callable[[], Extractor]) -> Extractor:
    return recruit()
