"""An ablation: every variant times every seed, and the tables of what came of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ercfw.experiment.parallel import Task, prepare, run_all
from ercfw.experiment.plan import Job
from ercfw.recipe.schema import RunSettings
from ercfw.registry.catalog import Catalog
from ercfw.results.comparison.compare import comparable_tables
from ercfw.results.comparison.fold_pooling import pool
from ercfw.results.comparison.reported_scores import find_quoted
from ercfw.results.comparison.result_table import ResultTable
from ercfw.results.finished_run import FinishedRun, Group
from ercfw.results.metrics_file import read_metrics
from ercfw.results.run_folder import open_folder
from ercfw.system.terminal import Terminal


@dataclass(frozen=True)
class Outcome:
    """What came of many runs.

    Attributes:
        groups: the finished ones.
        tables: of the test split, or of dev where test has no labels; one a target; empty when nothing was scored.
        failures: why runs failed, by name.
    """

    groups: Sequence[Group]
    tables: Sequence[ResultTable]
    failures: Mapping[str, str]


def make_tasks(jobs: Sequence[Job], words: Sequence[str], out: Path) -> list[Task]:
    """A task a job and seed.

    Args:
        jobs: the variants.
        words: recipe and settings, as they were typed.
        out: where runs are left; each fold of a corpus needs a place of its own.
    """
    tasks = []
    for job in jobs:
        for seed in job.recipe.seeds:
            own = (f"--variant={job.variant}", f"--seeds={seed},", f"--out={out}", "--resume", "--quiet")
            tasks.append(Task(job, seed, open_folder(out, job, seed), ("run", *words, *own)))
    return tasks


def run_tasks(tasks: Sequence[Task], settings: RunSettings, folder: Path, terminal: Terminal) -> Outcome:
    """Run what is not done, and put all that is into tables.

    Args:
        tasks: all runs, variant by variant; the first variant is what the others are measured from.
        settings: the recipe's ``[run]``.
        folder: the recipe's, for what a scheduler writes.
        terminal: is told of all.
    """
    left = prepare(tasks, terminal)
    if len(left) < len(tasks):
        terminal.info(f"{len(tasks) - len(left)} of {len(tasks)} runs were done before")
    failures = run_all(left, settings, folder / "jobs", terminal)
    catalog = tasks[0].job.catalog
    groups = _groups(tasks, catalog)
    if not groups:
        return Outcome((), (), failures)
    quoted, broken = find_quoted(catalog)
    for failure in broken:
        terminal.warning(failure)
    notes = [f"Failed, and not in the table: {', '.join(failures)}."] if failures else []
    scored = groups[0].first.metrics["scores"]
    made = comparable_tables(groups, "test" if "test" in scored else "dev", quoted)
    tables = [replace(table, notes=[*notes, *table.notes]) for table in made]
    return Outcome(groups, tables, failures)


def _groups(tasks: Sequence[Task], catalog: Catalog) -> list[Group]:
    """The finished runs by variant; what has several folds is finished when all of them are."""
    by_run: dict[tuple[str, int], list[Task]] = {}
    for task in tasks:
        by_run.setdefault((task.job.variant, task.seed), []).append(task)
    by_variant: dict[str, list[FinishedRun]] = {}
    for (variant, _), folds in by_run.items():
        if all(task.folder.is_done for task in folds):
            runs = [FinishedRun(task.folder.path, read_metrics(task.folder.path)) for task in folds]
            by_variant.setdefault(variant, []).append(runs[0] if len(runs) == 1 else pool(runs, catalog))
    return [Group(variant, tuple(runs)) for variant, runs in by_variant.items()]
