"""Start a worker process, wait until it ends, and read its result."""

import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydantic import ValidationError

from ercfw.experiment.request import WorkerResult
from ercfw.system.gpus import VISIBLE

WORKER = "ercfw.experiment.worker"
"""The module that a worker process runs."""


@dataclass(frozen=True)
class Command:
    """A request that a worker process fulfills.

    Attributes:
        request: the request as JSON.
        folder: the working directory.
        threads: the number of threads that torch may use.
    """

    request: str
    folder: str
    threads: int


@dataclass(frozen=True)
class Ended:
    """How a worker process ended.

    Attributes:
        exit_code: the exit code of the process; negative if a signal ended it.
        result: the result that it wrote; None if it was killed or crashed.
        stderr: what it wrote there.
    """

    exit_code: int
    result: WorkerResult | None
    stderr: str

    @property
    def errors(self) -> tuple[str, ...]:
        """Return the messages that the worker reported."""
        return self.result.errors if self.result is not None else ()

    @property
    def how(self) -> str:
        """Return how the process ended, for messages."""
        if self.exit_code < 0:
            return f"was ended by signal {-self.exit_code}"
        return f"ended with exit code {self.exit_code}"


def run_command(
    command: Command, gpu: str | None = None, started: Callable[[Any], None] = lambda process: None
) -> Ended:
    """Run a worker process until it ends; if this process is interrupted, the worker ends too.

    Slurm and Ray call this function on the machine that does the work, and find it by its name.

    Args:
        command: the command.
        gpu: the name of the only GPU that the worker may see; None = all that this process sees.
        started: called with the process when it has started, so that the caller can stop it.
    """
    threads = str(command.threads)
    environment = {**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads, "PYTHONIOENCODING": "utf-8"}
    if gpu is not None:
        environment[VISIBLE] = gpu
    with TemporaryDirectory(prefix="ercfw-worker-", ignore_cleanup_errors=True) as temporary:
        request, result = Path(temporary, "request.json"), Path(temporary, "result.json")
        request.write_text(command.request, encoding="utf-8")
        arguments = [sys.executable, "-P", "-m", WORKER, str(request), str(result)]
        with subprocess.Popen(
            arguments,
            cwd=command.folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
        ) as process:
            started(process)
            try:
                _, stderr = process.communicate()
            except BaseException:
                process.terminate()
                raise
        return Ended(process.returncode, _read_result(result), stderr)


def _read_result(path: Path) -> WorkerResult | None:
    """Read a worker's result; one that is missing or half-written belongs to a worker that was killed."""
    try:
        return WorkerResult.model_validate_json(path.read_bytes())
    except (OSError, ValidationError):
        return None
