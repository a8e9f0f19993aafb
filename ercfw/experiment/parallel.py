"""Parallel runs, one process each: a failed run does not stop the others, and finished runs are kept."""

from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from pathlib import Path

from ercfw.data.load import read_dataset
from ercfw.errors import ErcfwError, InputError, in_recipe, with_warnings
from ercfw.experiment.executors import RefusedError, open_executor
from ercfw.experiment.plan import Job
from ercfw.experiment.request import RunRequest
from ercfw.experiment.run_all import announce_data, load
from ercfw.experiment.worker_process import Ended
from ercfw.recipe.schema import RunSettings
from ercfw.results.points import points
from ercfw.results.run_folder import RunFolder
from ercfw.results.run_metrics import read_metrics
from ercfw.system.accelerate_variables import only_the_recipe_decides
from ercfw.system.files import write_text
from ercfw.system.terminal import Terminal

POLL = 1.0  # seconds
FAILED = "failed.log"


@dataclass(frozen=True)
class Task:
    """One run that an ablation needs.

    Attributes:
        job: the variant.
        seed: one of the job's seeds.
        fold: the part of the data that is test; None = the corpus' own splits.
        folder: where the run is written.
        request: the request to a worker.
    """

    job: Job
    seed: int
    fold: int | None
    folder: RunFolder
    request: RunRequest

    @property
    def name(self) -> str:
        """Return the name of the task for messages."""
        return f"{self.job.variant}, seed {self.seed}" + (f", fold {self.fold}" if self.fold is not None else "")

    @property
    def epochs(self) -> int:
        """Return the number of epochs in the recipe."""
        return self.job.recipe.train.epochs

    @property
    def epochs_done(self) -> int:
        """Return the number of epochs in the run's history."""
        path = self.folder.files.history
        return path.read_bytes().count(b"\n") if path.is_file() else 0


def prepare(tasks: Sequence[Task], terminal: Terminal) -> list[Task]:
    """Check the data of tasks and extract their features, and return those that have not finished.

    Raises:
        InputError: the data is wrong, or a run was made from other data.
    """
    on_same_data: dict[str, list[Task]] = {}
    for task in tasks:
        on_same_data.setdefault(task.job.shared_data, []).append(task)
    announced: set[str] = set()
    for shared in on_same_data.values():
        _prepare_data(shared, terminal, announced)
    return [task for task in tasks if not task.folder.is_done]


def _prepare_data(tasks: Sequence[Task], terminal: Terminal, announced: set[str]) -> None:
    """Check that finished tasks had the same data, and load it once for the others, which extracts its features."""
    with in_recipe(tasks[0].job.where):
        dataset, warnings = read_dataset(tasks[0].job.parts.dataset)
    for task in tasks:
        with in_recipe(task.job.where), with_warnings(warnings):
            task.folder.check_same_data(dataset.provenance)
    first = next((task.job for task in tasks if not task.folder.is_done), None)
    if first is not None:
        with in_recipe(first.where), with_warnings(warnings):
            data = load(first, dataset, warnings, terminal)
        announce_data(data, terminal, announced)


def run_all(tasks: Sequence[Task], settings: RunSettings, logs: Path, terminal: Terminal) -> dict[str, str]:
    """Run tasks that have not finished, as many at the same time as the machine or the scheduler allows.

    Args:
        tasks: the tasks.
        settings: the recipe's ``[run]``.
        logs: the folder for a scheduler's logs.
        terminal: shows progress and each result.

    Returns:
        The reason of each failure, by the task's name.
    """
    failures: dict[str, str] = {}
    if not tasks:
        return failures
    own_choice = only_the_recipe_decides(terminal.warning)  # what workers warn about stays in their logs
    with own_choice, open_executor(settings, logs) as submit, terminal.progress() as bars:
        running = {submit(task.request): task for task in tasks}
        ended: list[Task] = []
        while running:
            done, _ = wait(running, POLL, FIRST_COMPLETED)
            for future in done:
                task = running.pop(future)
                ended.append(task)
                reason = _failure(task, future)
                result = f"failed: {reason}" if reason else _score(task)
                terminal.info(f"{task.name}: {result}  ({len(ended)} of {len(tasks)})")
                failures.update({task.name: reason} if reason else {})
            epochs = sum(task.epochs for task in ended) + sum(task.epochs_done for task in running.values())
            bars("epochs", epochs, sum(task.epochs for task in tasks))
            bars("runs", len(ended), len(tasks))
    return failures


def _failure(task: Task, future: "Future[Ended]") -> str | None:
    """Return why a run failed, and keep its worker's stderr beside it; None if the run has finished.

    Raises:
        InputError, RefusedError: the scheduler accepts no job.
    """
    log = task.folder.path / FAILED
    try:
        ended = future.result()
    except (InputError, RefusedError):
        raise
    except ErcfwError as error:
        return str(error)
    if ended.exit_code == 0 and task.folder.is_done:
        log.unlink(missing_ok=True)
        return None
    write_text(log, ended.stderr)
    return "; ".join(ended.errors) or f"its process {ended.how}; see {log}"


def _score(task: Task) -> str:
    metrics = read_metrics(task.folder.path)
    target, _, metric = metrics.select.partition(".")
    value = metrics.score(metrics.chosen_on, target, metric)
    shown = points(value, scale=metrics.selected_scale)
    score = f"{metrics.select} on {metrics.chosen_on} {shown}, " if value is not None else ""
    return f"{score}{metrics.seconds:.0f} s"
