"""Executors of worker processes: this machine, Slurm, or Ray; results come as ``concurrent.futures``."""

import re
import shutil
import subprocess
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr, suppress
from io import StringIO
from pathlib import Path
from queue import SimpleQueue
from threading import Lock
from typing import Any

from ercfw.errors import ErcfwError, InputError, RunError, cause_of
from ercfw.experiment.request import Request
from ercfw.experiment.worker_process import Command, Ended, run_command
from ercfw.recipe.schema import RunSettings
from ercfw.system.gpus import count_gpus, gpu_names
from ercfw.system.launch import cores

RUN_MEMORY = 1_500_000_000
"""Estimated memory per run in bytes, without features, which are mapped and shared."""
MANY_JOBS = 100
"""The most runs at the same time if a scheduler assigns the machines."""
PATIENCE = 60.0
"""Seconds that each run has to save its checkpoint when all runs are stopped."""
SLURM = "[run] executor = 'slurm'"
UNREACHABLE = re.compile("contact|connect|communicat|timed out|socket", re.IGNORECASE)
"""The words of sbatch about a Slurm controller that does not answer, which no option changes."""


class RefusedError(RunError):
    """The scheduler accepts no job, so that no run can start."""


class Engine(ABC):
    """A place where commands run; each call of ``run`` blocks a thread until its command has ended."""

    @abstractmethod
    def run(self, command: Command) -> Ended:
        """Run a command, and wait until it ends."""

    @abstractmethod
    def stop(self) -> None:
        """End all running commands; runs save their checkpoints first."""


class Local(Engine):
    """Processes on this machine; with GPUs, one process per GPU."""

    def __init__(self, workers: int, gpus: int) -> None:
        self._processes: set[subprocess.Popen[str]] = set()
        self._stopped = False
        self._free: SimpleQueue[str | None] = SimpleQueue()
        names = gpu_names(gpus)
        for worker in range(workers):
            self._free.put(names[worker % len(names)] if names else None)

    def run(self, command: Command) -> Ended:
        """Run a command in a process."""
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
        """Send SIGTERM, and wait while runs save their checkpoints."""
        self._stopped = True
        for process in list(self._processes):
            process.terminate()
        for process in list(self._processes):
            with suppress(subprocess.TimeoutExpired):
                process.wait(PATIENCE)


class Slurm(Engine):
    """Slurm jobs, submitted by submitit; the option ``cluster = "local"`` tests it without a cluster."""

    def __init__(self, folder: Path, threads: int, options: dict[str, Any]) -> None:
        try:
            import submitit
        except ImportError as error:
            raise _missing("slurm", "submitit", "cluster") from error
        options = dict(options)
        cluster = options.pop("cluster", "slurm")
        if cluster == "slurm" and not (shutil.which("srun") and shutil.which("sbatch")):
            hint = "run on a machine of the cluster; run.options.cluster=local tries it without one"
            raise InputError.at(SLURM, "srun and sbatch are not on this machine", hint)
        try:
            self._executor = submitit.AutoExecutor(folder, cluster=cluster)
            self._executor.update_parameters(**{"cpus_per_task": threads, "timeout_min": 24 * 60, **options})
        except (RuntimeError, NameError, TypeError, ValueError) as error:
            raise InputError.at("[run] options", f"submitit refuses them: {error}") from error
        self._jobs: list[Any] = []
        self._submitting = Lock()
        self._closed: ErcfwError | None = None

    def run(self, command: Command) -> Ended:
        """Submit a command as a job."""
        job = self._submit(command)
        try:
            ended: Ended = job.result()
        except Exception as error:
            name = f"Slurm job {job.job_id}"
            if not job.paths.result_pickle.exists():
                raise RunError(f"{name} ended without a result, as {job.state}; see {job.paths.stderr}") from error
            raise RunError(f"{name} failed: {cause_of(error)}; see {job.paths.stderr}") from error
        return ended

    def _submit(self, command: Command) -> Any:
        """Submit a job; if the very first one is refused, Slurm is not asked again.

        Raises:
            InputError, RefusedError: no job was accepted.
            RunError: this job was not accepted, but others were.
        """
        with self._submitting:
            if self._closed is not None:
                raise self._closed
            try:
                with redirect_stderr(StringIO()):  # submitit prints there what the error says, too
                    job = self._executor.submit(run_command, command)
            except Exception as error:
                words = "; ".join(line.removeprefix("sbatch: error: ") for line in str(error).splitlines())
                what = f"the job is refused: {words or 'sbatch gives no reason'}"
                if self._jobs:
                    raise RunError(what) from error
                self._closed = RefusedError(f"{SLURM}: {what}")
                if not UNREACHABLE.search(words):
                    self._closed = InputError.at(SLURM, what, "[run.options] holds the options of jobs")
                raise self._closed from error
            self._jobs.append(job)
            return job

    def stop(self) -> None:
        """Cancel all jobs, and submit no more."""
        with self._submitting:
            self._closed = self._closed or RunError("stopped")
        for job in self._jobs:
            with suppress(Exception):
                if not job.done():
                    job.cancel()


class Ray(Engine):
    """Tasks of a Ray cluster: the one at the option ``address``, or one that is started on this machine."""

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
        """Run a command as a task."""
        task = self._remote.remote(command)
        self._tasks.append(task)
        try:
            ended: Ended = self._ray.get(task)
        except self._ray.exceptions.RayError as error:
            raise RunError(f"a Ray task failed: {cause_of(error)}") from error
        finally:
            self._tasks.remove(task)
        return ended

    def stop(self) -> None:
        """Interrupt the tasks that have not ended and leave the cluster."""
        # Ray may abort this process if a task is cancelled that has just ended.
        running = list(self._tasks)
        for task in running:
            with suppress(Exception):
                self._ray.cancel(task)
        with suppress(Exception):
            self._ray.wait(running, num_returns=len(running), timeout=PATIENCE)
        self._ray.shutdown()


def _missing(executor: str, library: str, extra: str) -> InputError:
    return InputError.at(f"[run] executor = '{executor}'", f"needs {library}", f"pip install 'ercfw[{extra}]'")


@contextmanager
def open_executor(settings: RunSettings, logs: Path) -> Iterator[Callable[[Request], "Future[Ended]"]]:
    """Yield a function that submits a request; running workers end when the block is left by an exception.

    Args:
        settings: the recipe's ``[run]``.
        logs: the folder for the logs of Slurm jobs.

    Raises:
        InputError: a library or the scheduler is missing, or refuses the options.
    """
    workers, threads = share_machine(settings)
    if settings.executor == "slurm":
        engine: Engine = Slurm(logs, threads, settings.options)
    elif settings.executor == "ray":
        engine = Ray(threads, settings.options)
    else:
        engine = Local(workers, count_gpus())
    here = str(Path.cwd())
    with ThreadPoolExecutor(workers) as pool:
        try:
            yield lambda request: pool.submit(engine.run, Command(request.model_dump_json(), here, threads))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            engine.stop()


def share_machine(settings: RunSettings) -> tuple[int, int]:
    """Return the number of runs at the same time, and the number of threads per run.

    On this machine, the default is one run per GPU; without a GPU, as many as cores and memory allow.
    """
    if settings.executor == "local":
        import psutil

        fitting = int(psutil.virtual_memory().available // RUN_MEMORY)
        workers = settings.workers or count_gpus() or max(1, min(cores(), fitting))
        return workers, settings.threads or max(1, cores() // workers)
    return settings.workers or MANY_JOBS, settings.threads or 1
