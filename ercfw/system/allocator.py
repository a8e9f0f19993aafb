"""How a process uses its threads and its memory; set before torch is loaded."""

import ctypes
import os
import sys

LARGE = 32 << 20
"""Bytes: what is larger is given back as soon as it is freed; it would leave gaps."""

KEPT = 1 << 30
"""Bytes: so much of the rest stays with the process."""

M_MMAP_THRESHOLD, M_TRIM_THRESHOLD = -3, -1
"""What glibc's ``mallopt`` calls them."""


def use_well() -> None:
    """Threads that wait a little before they sleep, and memory that is not given back between two steps.

    Threads that spin for long are many times slower as soon as anything else wants the cores, and those that sleep at
    once are always slower. Memory that is given back is taken again page by page, each of which the system must clear.
    """
    os.environ.setdefault("GOMP_SPINCOUNT", "2000")
    if sys.platform == "linux" and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):
        mallopt(M_MMAP_THRESHOLD, LARGE)
        mallopt(M_TRIM_THRESHOLD, KEPT)
