"""Extract features in several worker processes of this machine."""

import os
import signal
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from multiprocessing import get_context, parent_process
from multiprocessing.process import BaseProcess
from typing import Any, TypeVar

from ercfw.contract.interfaces import Extractor
from ercfw.contract.optional_parts import SupportsSource
from ercfw.errors import RunError
from ercfw.system.launch import cores

T = TypeVar("T")
MAX_DEFAULT = 8
"""The largest default number of processes: each process holds the networks of an extractor in memory."""
CRASHES = tuple(s for s in signal.Signals if s.name in {"SIGSEGV", "SIGABRT", "SIGBUS", "SIGFPE", "SIGILL"})
"""Signals of faults in a process's own code, such as a library that decodes clips; Windows lacks some of them."""
PATIENCE = 5.0
"""Seconds that a process may take to remove an unfinished file before it is killed."""
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
    lose: Callable[[T, str], None],
) -> Generator[None, None, None]:
    """Make every piece, in this process or in workers; yield once for each piece that is done.

    An error in a worker stops the other workers and is raised here. A piece whose clip crashes two workers, one after
    another, is given to ``lose`` with the reason. Closing the generator stops the workers.

    Raises:
        RunError: a worker was killed.
    """
    processes = min(workers.processes, len(pieces) // MIN_PIECES) if workers is not None else 1
    if workers is None or processes < 2:
        for piece in pieces:
            make(extractor, name, piece)
            yield
        return
    threads = max(1, cores() // processes)
    staff = [_Worker(threads) for _ in range(processes)]
    try:
        for piece, why in _done(staff, [(piece, (_work, workers.factory, name, piece, make)) for piece in pieces]):
            if why:
                lose(piece, why)
            yield
    finally:
        for worker in staff:
            worker.terminate()


def _done(staff: Sequence["_Worker"], tasks: Sequence[tuple[T, Sequence[Any]]]) -> Iterator[tuple[T, str]]:
    """Yield the pieces in the order of completion, each with the reason why it could not be made, if any."""
    waiting = list(reversed(tasks))
    running: dict[Future[None], tuple[_Worker, tuple[T, Sequence[Any]]]] = {}
    crashed: set[int] = set()
    free = list(staff)
    while waiting or running:
        while waiting and free:
            worker, task = free.pop(), waiting.pop()
            running[worker.submit(task[1])] = worker, task
        for future in wait(running, return_when=FIRST_COMPLETED).done:
            worker, task = running.pop(future)
            free.append(worker)
            if not isinstance(future.exception(), BrokenProcessPool):
                future.result()
                yield task[0], ""
                continue
            crash = worker.replace_crashed()
            if id(task) in crashed:
                yield task[0], f"reading it crashes the process ({crash})"
            else:  # The crash may be due to a lack of memory, for example; a second attempt shows whether it is not.
                crashed.add(id(task))
                waiting.append(task)


class _Worker:
    """A pool of one process, so that a crash concerns one piece, and it is known which."""

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self._pool = self._make_pool()
        self._processes: list[BaseProcess] = []

    def submit(self, task: Sequence[Any]) -> Future[None]:
        """Start a task in the process."""
        future = self._pool.submit(*task)
        self._processes = list((self._pool._processes or {}).values())
        return future

    def replace_crashed(self) -> str:
        """Start a new process in place of one that crashed, and return the name of the signal.

        Raises:
            RunError: something else ended the process.
        """
        self._pool.shutdown()  # its thread waits for the process too: while both do, one of them learns no exit code
        self.terminate()
        codes = [process.exitcode for process in self._processes]
        for crash in CRASHES:
            if -crash in codes:
                self._pool = self._make_pool()
                return crash.name
        what = "a worker that extracted features was killed; the features made so far are kept"
        raise RunError(f"{what} (run the command again to resume)")

    def terminate(self) -> None:
        """Stop the process; pieces are written atomically, so no partial file remains."""
        self._pool.shutdown(wait=False, cancel_futures=True)
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            process.join(PATIENCE)
            process.kill()
            process.join()

    def _make_pool(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, get_context("spawn"), _initialize, (self._threads,))


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
    with _leaves_nothing():
        make(_extractor_of_worker(factory), name, piece)


@contextmanager
def _leaves_nothing() -> Iterator[None]:
    """End the process on SIGTERM, but first let the block remove the file that it is writing."""

    def stop(*_: object) -> None:
        raise _Terminated

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    except _Terminated:
        os._exit(1)
    finally:
        signal.signal(signal.SIGTERM, before)


class _Terminated(BaseException):
    """The parent ends the process. No handler of a plugin's errors may catch it."""


@cache
def _extractor_of_worker(factory: Callable[[], Extractor]) -> Extractor:
    extractor = factory()
    return extractor.source() if isinstance(extractor, SupportsSource) else extractor
