"""Settings of a whole process. Only entry points call these: the command line, a worker, ``ercfw.run``."""

import logging
import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from ercfw.system.allocator import tune_threads_and_memory


def set_up_process() -> None:
    """Set threads, memory and warnings of a process that ercfw owns; call this before torch is loaded."""
    tune_threads_and_memory()
    if "WORLD_SIZE" in os.environ:
        # Every process would warn that a search for unused parameters found none, at every start.
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    # A vector's gradient may have other strides than DDP's bucket; the copy costs nothing here.
    warnings.filterwarnings("ignore", message="Grad strides do not match bucket view strides")
    # On some network disks; the lock works all the same, and the message of one that is held says more.
    warnings.filterwarnings("ignore", message="flock not supported on this filesystem")
    logging.getLogger("matplotlib").addFilter(_is_not_about_folders)


def _is_not_about_folders(record: logging.LogRecord) -> bool:
    """Return False for the warnings that matplotlib cannot write to the home folder: it uses a temporary one then."""
    text = str(record.msg)
    return not ("directory" in text or text.startswith("mkdir"))


@contextmanager
def deterministic(device_type: str) -> Iterator[None]:
    """Make torch choose deterministic algorithms on a GPU for as long as the block runs.

    A CPU is deterministic without it, and would only become slower.
    """
    if device_type != "cuda":
        yield
        return
    import torch

    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(before[0], warn_only=before[1])


@contextmanager
def own_accelerate_state() -> Iterator[None]:
    """Let the block choose device and precision, whatever this process chose before, and restore that afterwards.

    Accelerate keeps one device and precision per process and refuses others.
    """
    from accelerate.state import AcceleratorState, GradientState, PartialState

    shared = [state._shared_state for state in (AcceleratorState, PartialState, GradientState)]
    before = [dict(each) for each in shared]
    for each in shared:
        each.clear()
    try:
        yield
    finally:
        for each, values in zip(shared, before, strict=True):
            each.clear()
            each.update(values)
