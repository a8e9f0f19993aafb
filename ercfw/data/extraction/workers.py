"""Extract features in several worker processes of this machine."""

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
from ercfw.contract.optional_parts import SupportsSource
from ercfw.errors import RunError
from ercfw.system.launch import cores

T = TypeVar("T")
MAX_DEFAULT = 8
"""The largest default number of processes: each process holds the networks of an extractor in memory."""
MIN_PIECES = 2
"""The least number of pieces per process for which starting a process pays."""


@dataclass(frozen=True)
class WorkerPool:
    """The worker processes of an extraction.

    Attributes:
        processes: the number of processes.
        factory: makes the extractor in a worker, which makes the pieces of its source if it has one; must be hashable
            and picklable.
    """

    processes: int
    factory: Callable[[], Extractor]


def default_processes() -> int:
    """Return the default number of processes: one per core up to a limit, and one if there is a GPU."""
    import torch

    return 1 if torch.accelerator.is_available() else min(cores(), MAX_DEFAULT)


def run_in_workers(
    workers: WorkerPool | None,
    extractor: Extractor,
    name: str,
    pieces: Sequence[T],
    make: Callable[[Extractor, str, T], None],
) -> Iterator[None]:
    """Make every piece, in this process or in workers; yield once for each piece that is done.

    An error in a worker stops the other workers and is raised here.

    Raises:
        RunError: a worker was killed.
    """
    processes = min(workers.processes, len(pieces) // MIN_PIECES) if workers is not None else 1
    if workers is None or processes < 2:
        for piece in pieces:
            make(extractor, name, piece)
            yield
        return
    pool = ProcessPoolExecutor(processes, get_context("spawn"), _initialize, (max(1, cores() // processes),))
    try:
        for done in _in_order_of_completion(pool, [(_work, workers.factory, name, piece, make) for piece in pieces]):
            done.result()
            yield
    except BrokenProcessPool as error:
        what = "a worker that extracted features was killed; the features made so far are kept"
        raise RunError(f"{what} (run the command again to resume)") from error
    finally:
        _terminate(pool)


def _in_order_of_completion(pool: ProcessPoolExecutor, tasks: Iterable[Sequence[Any]]) -> Iterator[Future[None]]:
    yield from as_completed([pool.submit(*task) for task in tasks])


def _terminate(pool: ProcessPoolExecutor) -> None:
    """Stop the worker processes at once: pieces are written atomically, so no partial file remains."""
    processes = list((pool._processes or {}).values())
    pool.shutdown(wait=False, cancel_futures=True)
    for process in processes:
        process.terminate()
    for process in processes:
        process.join()


def _initialize(threads: int) -> None:
    """Prepare a worker: ignore Ctrl-C, which the parent handles, and exit when the parent does."""
    import torch

    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(threads)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _work(factory: Callable[[], Extractor], name: str, piece: T, make: Callable[[Extractor, str, T], None]) -> None:
    make(_extractor_of_worker(factory), name, piece)


@cache
def _extractor_of_worker(factory: Callable[[], Extractor]) -> Extractor:
    extractor = factory()
    return extractor.source() if isinstance(extractor, SupportsSource) else extractor
