"""Start several processes on this machine, as torchrun does."""

import logging
import os
import signal
import sys
import uuid
from collections.abc import Sequence

from ercfw.errors import ErcfwError, InputError, RunError

MANY = 64
"""Maximum number of processes."""
RUN_ID = "ercfw-"
"""The beginning of the name that torch gives to the processes; each of them finds it in ``TORCHELASTIC_RUN_ID``."""


def launch(processes: int, words: Sequence[str]) -> None:
    """Run ``ercfw WORDS`` in several processes that share each batch; their output goes to this terminal.

    Raises:
        InputError: torchrun already started this process.
        ErcfwError: a process failed and reported why; the exit code is its own.
        RunError: a process was killed.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    if "WORLD_SIZE" in os.environ:
        what = "cannot be combined with torchrun, which started this process and sets the number of processes"
        raise InputError.at("--processes", what, "use only one of them")
    # Its long reports about each process that ends would hide the message below and that of the process itself.
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores() // processes)))
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=RUN_ID + uuid.uuid4().hex,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        max_restarts=0,
        monitor_interval=0.1,
        local_addr="127.0.0.1",
    )
    try:
        elastic_launch(config, sys.executable)("-P", "-m", "ercfw", *words)
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode < 0:
            name = signal.Signals(-failure.exitcode).name
            raise RunError(f"process {rank} was ended by {name}; the same command with --resume continues") from None
        raise ProcessFailedError(failure.exitcode) from None
    except SignalException:
        raise ProcessFailedError(1) from None


def launched_by_ercfw() -> bool:
    """Return whether ``launch`` started this process; it reports how its processes end."""
    return os.environ.get("TORCHELASTIC_RUN_ID", "").startswith(RUN_ID)


def cores() -> int:
    """Return the number of cores that this process may use; a scheduler often grants only some of them."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class ProcessFailedError(ErcfwError):
    """A process failed and reported the reason itself."""

    def __init__(self, exit_code: int) -> None:
        super().__init__("")
        self.exit_code = exit_code
