"""Many runs side by side, each a process of its own: what is done is kept, what fails does not stop the rest."""

from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass
from pathlib import Path

from ercfw.contract.interfaces import Dataset
from ercfw.data.load import read_dataset
from ercfw.errors import ErcfwError, in_recipe
from ercfw.experiment.executors import Ended, open_executor
from ercfw.experiment.plan import Job
from ercfw.experiment.run_all import announce_data, load
from ercfw.recipe.schema import RunSettings
from ercfw.results.run_folder import RunFolder
from ercfw.system.files import write_text
from ercfw.system.terminal import Terminal

POLL = 1.0  # seconds
FAILED = "failed.log"


@dataclass(frozen=True)
class Task:
    """One run that is to be there in the end.

    Attributes:
        job: its variant.
        seed: one of the job's.
        folder: where it is left.
        words: the command that makes it, after ``ercfw``.
    """

    job: Job
    seed: int
    folder: RunFolder
    words: tuple[str, ...]

    @property
    def name(self) -> str:
        """For messages."""
        fold = self.job.tables["data"].get("fold")
        return f"{self.job.variant}, seed {self.seed}" + (f", fold {fold}" if fold is not None else "")

    @property
    def epochs(self) -> int:
        """As many as its recipe has."""
        return self.job.recipe.train.epochs

    @property
    def epochs_done(self) -> int:
        """How many epochs its folder tells of."""
        path = self.folder.path / "history.jsonl"
        return path.read_bytes().count(b"\n") if path.is_file() else 0


def prepare(tasks: Sequence[Task], terminal: Terminal) -> list[Task]:
    """Those that are still to be run; the data of all is read, and features extracted, once and before them.

    Raises:
        InputError: the data, or what was run on other data before.
    """
    known: dict[str, tuple[Dataset, tuple[str, ...]]] = {}
    loaded: set[str] = set()
    told: set[str] = set()
    left = []
    for task in tasks:
        job, shared = task.job, task.job.shared_data
        with in_recipe(job.where):
            if shared not in known:
                known[shared] = read_dataset(job.recipe.data, job.catalog)
            dataset, doubts = known[shared]
            task.folder.check_same_data(dataset.provenance)
            if task.folder.is_done:
                continue
            if shared not in loaded:
                announce_data(load(job, dataset, doubts, terminal), terminal, told)
                loaded.add(shared)
            left.append(task)
    return left


def run_all(tasks: Sequence[Task], settings: RunSettings, logs: Path, terminal: Terminal) -> dict[str, str]:
    """Run tasks that are not done, as many at once as the machine or the scheduler bears.

    Args:
        tasks: none of them done.
        settings: the recipe's ``[run]``.
        logs: a folder for what a scheduler writes.
        terminal: has the progress, and is told of every end.

    Returns:
        Why each failed task did, by its name.
    """
    failures: dict[str, str] = {}
    if not tasks:
        return failures
    with open_executor(settings, logs) as submit, terminal.progress() as bars:
        going = {submit(task.words): task for task in tasks}
        ended: list[Task] = []
        while going:
            done, _ = wait(going, POLL, FIRST_COMPLETED)
            for future in done:
                task = going.pop(future)
                ended.append(task)
                why = _why_failed(task, future)
                told = f"failed: {why}" if why else _score(task)
                terminal.info(f"{task.name}: {told}  ({len(ended)} of {len(tasks)})")
                failures.update({task.name: why} if why else {})
            epochs = sum(task.epochs for task in ended) + sum(task.epochs_done for task in going.values())
            bars("epochs", epochs, sum(task.epochs for task in tasks))
            bars("runs", len(ended), len(tasks))
    return failures


def _why_failed(task: Task, future: "Future[Ended]") -> str | None:
    """None for a run that was scored; what it printed is kept beside a failed one."""
    log = task.folder.path / FAILED
    try:
        ended = future.result()
    except ErcfwError as error:
        return str(error)
    if ended.exit_code == 0 and task.folder.is_done:
        log.unlink(missing_ok=True)
        return None
    write_text(log, ended.err)
    said = [line.removeprefix("error: ") for line in ended.err.splitlines() if line.startswith("error: ")]
    if said:
        return "; ".join(said)
    by = f"was ended by signal {-ended.exit_code}" if ended.exit_code < 0 else f"ended with exit code {ended.exit_code}"
    return f"its process {by}; see {log}"


def _score(task: Task) -> str:
    metrics = task.folder.metrics()
    target, _, metric = metrics["select"].partition(".")
    chosen_on = metrics["chosen_on"]
    value = metrics["scores"].get(chosen_on, {}).get(target, {}).get(metric)
    score = f"{metrics['select']} on {chosen_on} {100 * value:.2f}, " if isinstance(value, float) else ""
    return f"{score}{metrics['seconds']:.0f} s"
