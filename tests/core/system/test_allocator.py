"""What a step frees, the next one takes again: seen by the pages that the system has to clear for it."""

import ctypes
import subprocess
import sys

import pytest

FAULTS = """
import resource, sys
from ercfw.system.allocator import tune_threads_and_memory
if "well" in sys.argv:
    tune_threads_and_memory()
import torch

def step():
    held = [torch.ones(rows, 1024) for rows in range(950, 1000)]  # 4 MB each

def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt

step()
before = faults()
step()
print(faults() - before)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "mallopt"), reason="this libc has no mallopt")
def test_a_step_takes_the_pages_of_the_one_before():
    as_it_is, well = (int(subprocess.check_output([sys.executable, "-c", FAULTS, how])) for how in ("", "well"))
    assert well < as_it_is / 5
