"""Several processes on this machine, as torchrun would start them."""

import logging
import os
import signal
import sys
import uuid
from collections.abc import Sequence

from ercfw.errors import ErcfwError, InputError, RunError

MANY = 64


def launch(processes: int, words: Sequence[str]) -> None:
    """Run ``ercfw WORDS`` in so many processes that share each batch; what they print is theirs.

    Raises:
        InputError: torchrun has started this process already.
        ErcfwError: a process failed and has said why; the exit code is its own.
        RunError: a process was killed.
    """
    from torch.distributed.elastic.multiprocessing.api import SignalException
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    if "WORLD_SIZE" in os.environ:
        what = "torchrun has started this process, and says itself how many there are"
        raise InputError.at("--processes", what, "one of the two")
    # It tells of every process that ends, at length; what matters is told here or by the process itself.
    logging.getLogger("torch.distributed.elastic").setLevel(logging.CRITICAL)
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, cores() // processes)))
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=processes,
        run_id=uuid.uuid4().hex,
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
            raise RunError(f"process {rank} was ended by {name}; the same command with --resume goes on") from None
        raise ProcessFailedError(failure.exitcode) from None
    except SignalException:
        raise ProcessFailedError(1) from None


def cores() -> int:
    """Those that this process may use: a scheduler often gives a part of the machine's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class ProcessFailedError(ErcfwError):
    """A process failed, and has said so itself."""

    def __init__(self, exit_code: int) -> None:
        super().__init__("")
        self.exit_code = exit_code
