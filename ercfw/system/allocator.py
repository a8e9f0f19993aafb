"""Set how a process uses threads and memory; call this before torch is loaded."""

import ctypes
import os
import sys

LARGE = 32 << 20
"""Bytes: a larger block is returned to the system as soon as it is freed, since it would leave gaps."""

KEPT = 1 << 30
"""Bytes of freed smaller blocks that the process keeps."""

M_MMAP_THRESHOLD, M_TRIM_THRESHOLD = -3, -1
"""The numbers of these settings in glibc's ``mallopt``."""


def tune_threads_and_memory() -> None:
    """Let idle threads spin briefly before they sleep, and keep freed memory between two steps.

    Threads that spin for long become many times slower as soon as another process uses the cores. Threads that sleep at
    once are always slower. Memory that was returned to the system comes back page by page, and the system must clear
    each page.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):
        mallopt(M_MMAP_THRESHOLD, LARGE)
        mallopt(M_TRIM_THRESHOLD, KEPT)
