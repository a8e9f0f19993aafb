"""How much memory a piece of work needs, measured in a process of its own. Linux: it reads /proc."""

import multiprocessing
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

PAUSE = 0.005


def in_child(work: Callable[..., Any], *arguments: Any) -> Any:
    """What ``work`` gives in a process of its own.

    A fork where that can be, so that nothing is imported again: this process must not have used torch's threads,
    and CUDA cannot be forked.
    """
    with multiprocessing.get_context("spawn" if torch.cuda.is_initialized() else "fork").Pool(1) as pool:
        return pool.apply(work, arguments)


def peak(work: Callable[[], object]) -> int:
    """The most bytes that this process held while ``work`` ran, beyond those before.

    Pages of mapped files do not count: the system takes them back as it likes.
    """
    before = highest = held()
    done = threading.Event()

    def watch() -> None:
        nonlocal highest
        while not done.wait(PAUSE):
            highest = max(highest, held())

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        work()
    finally:
        done.set()
        watcher.join()
    return max(highest, held()) - before


def held() -> int:
    """Bytes of this process' own memory."""
    status = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in status if line.startswith("RssAnon"))
