"""Measure how much memory some work needs, in a new process. Linux only: it reads /proc."""

import multiprocessing
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

INTERVAL = 0.005


def in_child(work: Callable[..., Any], *arguments: Any) -> Any:
    """Run ``work`` in a new process; return its result.

    The process is a fork, so that it imports nothing again; if CUDA is initialised, it is spawned, because CUDA cannot
    be forked. Before a fork, this process must not have used torch's threads.
    """
    with multiprocessing.get_context("spawn" if torch.cuda.is_initialized() else "fork").Pool(1) as pool:
        return pool.apply(work, arguments)


def peak(work: Callable[[], object]) -> int:
    """Return the peak of this process's memory while ``work`` ran, minus the memory before, in bytes.

    Pages of mapped files do not count, because the system can free them at any time.
    """
    before = highest = used_bytes()
    done = threading.Event()

    def watch() -> None:
        nonlocal highest
        while not done.wait(INTERVAL):
            highest = max(highest, used_bytes())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        work()
    finally:
        done.set()
        watcher.join()
    return max(highest, used_bytes()) - before


def used_bytes() -> int:
    """Return the bytes of this process's own memory."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in status if line.startswith("RssAnon"))
