"""Where many runs are done: on this machine, by Slurm, or by Ray; handed out as ``concurrent.futures``."""

import os
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

from ercfw.errors import InputError, RunError, cause_of
from ercfw.recipe.schema import RunSettings
from ercfw.system.launch import cores

ROOM = 1_500_000_000
"""Bytes that a run is taken to need, beside features, which are mapped and shared."""
MANY_JOBS = 100
"""Runs at once where a scheduler shares machines out."""
PATIENCE = 60.0
"""Seconds that a run has for saving its state when all are stopped."""


@dataclass(frozen=True)
class Command:
    """An ``ercfw`` command to be run in a process of its own.

    Attributes:
        words: after ``ercfw``.
        folder: where it is run.
        threads: that torch may use.
    """

    words: tuple[str, ...]
    folder: str
    threads: int


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code, and what it printed."""

    exit_code: int
    out: str
    err: str


def run_command(
    command: Command, gpu: int | None = None, started: Callable[[Any], None] = lambda process: None
) -> Ended:
    """Run a command to its end; should this process be interrupted meanwhile, it ends too.

    Args:
        command: what is run.
        gpu: the only one that it may see.
        started: is told the process, for whoever may have to stop it.
    """
    threads = str(command.threads)
    environment = {**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
    if gpu is not None:
        environment["CUDA_VISIBLE_DEVICES"] = str(gpu)
    words = [sys.executable, "-P", "-m", "ercfw", *command.words]
    pipe = subprocess.PIPE
    with subprocess.Popen(words, cwd=command.folder, env=environment, stdout=pipe, stderr=pipe, text=True) as process:
        started(process)
        try:
            out, err = process.communicate()
        except BaseException:
            process.terminate()
            raise
    return Ended(process.returncode, out, err)


class Engine(ABC):
    """Runs commands somewhere, each called in a thread that waits for it."""

    @abstractmethod
    def run(self, command: Command) -> Ended:
        """Run it, and wait."""

    @abstractmethod
    def stop(self) -> None:
        """End what is running: runs save their state first."""


class Local(Engine):
    """Processes of this machine; with GPUs, one on each of them."""

    def __init__(self, workers: int, gpus: int) -> None:
        self._processes: set[subprocess.Popen[str]] = set()
        self._stopped = False
        self._free: SimpleQueue[int | None] = SimpleQueue()
        for worker in range(workers):
            self._free.put(worker % gpus if gpus else None)

    def run(self, command: Command) -> Ended:
        """Run it in a process."""
        gpu = self._free.get()
        try:
            return run_command(command, gpu, self._watch)
        finally:
            self._free.put(gpu)

    def _watch(self, process: "subprocess.Popen[str]") -> None:
        self._processes.add(process)
        if self._stopped:
            process.terminate()

    def stop(self) -> None:
        """SIGTERM, and a while to save."""
        self._stopped = True
        for process in list(self._processes):
            process.terminate()
        for process in list(self._processes):
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)


class Slurm(Engine):
    """Jobs of Slurm, by submitit; ``cluster = "local"`` among the options tries it without a cluster."""

    def __init__(self, folder: Path, threads: int, options: dict[str, Any]) -> None:
        try:
            import submitit
        except ImportError as error:
            raise _missing("slurm", "submitit", "cluster") from error
        options = dict(options)
        try:
            self._executor = submitit.AutoExecutor(folder, cluster=options.pop("cluster", None))
            self._executor.update_parameters(**{"cpus_per_task": threads, "timeout_min": 24 * 60, **options})
        except (RuntimeError, NameError, TypeError, ValueError) as error:
            raise InputError.at("[run] options", f"submitit refuses them: {error}") from error
        self._jobs: list[Any] = []

    def run(self, command: Command) -> Ended:
        """Submit it as a job."""
        job = self._executor.submit(run_command, command)
        self._jobs.append(job)
        try:
            ended: Ended = job.result()
        except Exception as error:
            raise RunError(f"job {job.job_id} of Slurm failed: {cause_of(error)}; see {job.paths.stderr}") from error
        return ended

    def stop(self) -> None:
        """Cancel its jobs."""
        for job in self._jobs:
            with suppress(Exception):
                if not job.done():
                    job.cancel()


class Ray(Engine):
    """Tasks of a Ray cluster; ``address`` among the options names one, else it is started on this machine."""

    def __init__(self, threads: int, options: dict[str, Any]) -> None:
        try:
            import ray
        except ImportError as error:
            raise _missing("ray", "ray", "ray") from error
        self._ray = ray
        options = dict(options)
        resources = {"num_cpus": threads, "num_gpus": options.pop("gpus_per_run", 0), "max_retries": 0}
        try:
            ray.init(**{"log_to_driver": False, "include_dashboard": False, "configure_logging": False, **options})
        except (RuntimeError, ConnectionError, TypeError, ValueError) as error:
            raise InputError.at("[run] options", f"Ray refuses them: {cause_of(error)}") from error
        self._remote = ray.remote(run_command).options(**resources)
        self._tasks: list[Any] = []

    def run(self, command: Command) -> Ended:
        """Run it as a task."""
        task = self._remote.remote(command)
        self._tasks.append(task)
        try:
            ended: Ended = self._ray.get(task)
        except self._ray.exceptions.RayError as error:
            raise RunError(f"a task of Ray failed: {cause_of(error)}") from error
        return ended

    def stop(self) -> None:
        """Interrupt its tasks, and leave the cluster."""
        for task in self._tasks:
            with suppress(Exception):
                self._ray.cancel(task)
        with suppress(Exception):
            self._ray.wait(self._tasks, num_returns=len(self._tasks), timeout=PATIENCE)
        self._ray.shutdown()


def _missing(executor: str, library: str, extra: str) -> InputError:
    return InputError.at(f"[run] executor = '{executor}'", f"needs {library}", f"pip install 'ercfw[{extra}]'")


@contextmanager
def open_executor(settings: RunSettings, logs: Path) -> Iterator[Callable[[tuple[str, ...]], "Future[Ended]"]]:
    """What the words of a command are given to; when the block ends by an exception, what runs is ended, too.

    Args:
        settings: the recipe's ``[run]``.
        logs: where Slurm's jobs leave theirs.

    Raises:
        InputError: a library is missing, or refuses the options.
    """
    workers, threads = share_machine(settings)
    if settings.executor == "slurm":
        engine: Engine = Slurm(logs, threads, settings.options)
    elif settings.executor == "ray":
        engine = Ray(threads, settings.options)
    else:
        engine = Local(workers, _gpus())
    here = str(Path.cwd())
    with ThreadPoolExecutor(workers) as pool:
        try:
            yield lambda words: pool.submit(engine.run, Command(words, here, threads))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            engine.stop()


def share_machine(settings: RunSettings) -> tuple[int, int]:
    """How many runs at once, and how many threads each has.

    On this machine: one a GPU; without one, as many as there are cores and memory for.
    """
    if settings.executor == "local":
        import psutil

        room = int(psutil.virtual_memory().available // ROOM)
        workers = settings.workers or _gpus() or max(1, min(cores(), room))
        return workers, settings.threads or max(1, cores() // workers)
    return settings.workers or MANY_JOBS, settings.threads or 1


def _gpus() -> int:
    import torch

    return torch.cuda.device_count() if torch.cuda.is_available() else 0
