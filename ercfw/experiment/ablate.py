"""An ablation: every variant with every seed, and the tables of their scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ercfw.experiment.number_of_runs import NumberOfRuns
from ercfw.experiment.parallel import Task, prepare, run_all
from ercfw.experiment.plan import Job, Selection, plan_job, plan_jobs
from ercfw.experiment.request import RunRequest
from ercfw.recipe.missing_modalities import write_missing_recipe
from ercfw.recipe.overrides import merge
from ercfw.recipe.recipe_file import RecipeFile
from ercfw.registry.catalog import Catalog
from ercfw.report.result_tables import write_tables
from ercfw.results.comparison.compare import comparable_tables
from ercfw.results.comparison.fold_pooling import pool
from ercfw.results.comparison.reported_scores import find_quoted
from ercfw.results.comparison.result_table import ResultTable
from ercfw.results.finished_run import FinishedRun, Group, open_run
from ercfw.results.run_folder import open_folder
from ercfw.results.score_table import known_metrics
from ercfw.system.terminal import Terminal

DEFAULT_SEEDS = 5
"""Number of seeds where neither the recipe nor the command names any."""


@dataclass(frozen=True)
class Ablation:
    """The results of an ablation.

    Attributes:
        groups: the finished runs, by variant.
        tables: one per target, of the test split, or of dev where test has no labels; none if no run has finished.
        failures: the reason of each failure, by the name of the run.
        files: the files of the tables: Markdown, LaTeX and CSV.
    """

    groups: Sequence[Group]
    tables: Sequence[ResultTable]
    failures: Mapping[str, str]
    files: Sequence[Path] = ()

    def _repr_html_(self) -> str:
        """Return the tables as HTML, for notebooks."""
        return "".join(table._repr_html_() for table in self.tables)


def number_of_runs(source: RecipeFile, selection: Selection, folds: int | None = None) -> NumberOfRuns:
    """Return how many runs an ablation will have, without planning them; the arguments are those of ``plan_ablation``.

    Seeds that a variant sets for itself are not counted.
    """
    selection = _with_seeds(source, selection)
    named = {**source.tables, **(selection.overrides or {})}.get("seeds")
    seeds = selection.seeds if selection.seeds is not None else named
    return NumberOfRuns(len(selection.variants), len(seeds) if isinstance(seeds, Sequence) else 1, folds or 0)


def plan_ablation(source: RecipeFile, selection: Selection, out: Path, folds: int | None = None) -> list[Task]:
    """Plan every run of an ablation.

    Args:
        source: the recipe.
        selection: variants and seeds; the first variant is the reference. Without seeds, those of the recipe, or five.
        out: the folder of all runs; each fold has a folder of its own in it.
        folds: the number of parts into which the data is split; each part is test once; None = the corpus' own splits.

    Raises:
        InputError: the recipe is wrong; the message lists every mistake.
    """
    selection = _with_seeds(source, selection)
    tasks: list[Task] = []
    for fold in range(folds) if folds else (None,):
        in_fold, place = selection, out
        if fold is not None:
            data = {"data": {"fold": fold, "folds": folds}}
            in_fold = replace(selection, overrides=merge(selection.overrides or {}, data))
            place = out / f"fold-{fold}-of-{folds}"
        for job in plan_jobs(source, in_fold):
            tasks += [_task(source, in_fold, job, seed, fold, place) for seed in job.recipe.seeds]
    return tasks


def plan_missing(source: RecipeFile, selection: Selection, out: Path) -> list[Task]:
    """Plan the runs of one variant with more and more modalities missing, and write their recipe into ``out``.

    Raises:
        InputError: several variants are selected, or the recipe is wrong; the message lists every mistake.
    """
    selection = _with_seeds(source, selection)
    job = plan_job(source, selection)
    missing = write_missing_recipe(source.path, job.written, out)
    return plan_ablation(missing, replace(selection, variants=missing.variants[1:], overrides={}, dropped=()), out)


def _with_seeds(source: RecipeFile, selection: Selection) -> Selection:
    """Return a selection with the default number of seeds if neither it nor the recipe names any."""
    named = selection.seeds is not None or "seeds" in {*source.tables, *(selection.overrides or {})}
    return selection if named else replace(selection, seeds=list(range(DEFAULT_SEEDS)))


def _task(source: RecipeFile, selection: Selection, job: Job, seed: int, fold: int | None, out: Path) -> Task:
    request = RunRequest.make(source, selection, job.variant, out, seed=seed)
    return Task(job, seed, fold, open_folder(out, job.name, job.variant, job.key, seed), request)


def run_ablation(tasks: Sequence[Task], out: Path, terminal: Terminal, quote: bool = False) -> Ablation:
    """Run the tasks that have not finished, and write the tables of all finished runs.

    Args:
        tasks: all tasks, variant by variant.
        out: the folder of all runs; its folder of the recipe gets the tables and a scheduler's logs.
        terminal: shows progress and warnings.
        quote: whether quoted scores of another protocol are shown too, below the runs.

    Raises:
        InputError: the data is wrong, or a run was made from other data.
    """
    first = tasks[0].job
    folder = out / first.name
    left = prepare(tasks, terminal)
    if len(left) < len(tasks):
        terminal.info(f"{len(tasks) - len(left)} of {len(tasks)} runs were done before")
    failures = run_all(left, first.recipe.run, folder / "jobs", terminal)
    groups = _groups(tasks, first.catalog)
    if not groups:
        return Ablation((), (), failures)
    tables = _tables(groups, failures, first, terminal, quote)
    return Ablation(groups, tables, failures, write_tables(folder, "ablation", tables))


def _tables(
    groups: Sequence[Group], failures: Mapping[str, str], job: Job, terminal: Terminal, quote: bool
) -> list[ResultTable]:
    """Return the tables under the title that the recipe has now; it may have changed since the runs."""
    quoted, broken = find_quoted(job.catalog)
    for failure in broken:
        terminal.warning(failure)
    notes = [f"Failed, and not in the table: {', '.join(failures)}."] if failures else []
    split = "test" if "test" in groups[0].first.metrics.scores else "dev"
    tables = comparable_tables(groups, split, quoted, quote, known_metrics(groups[0].first, job.catalog))
    return [replace(table, title=job.recipe.title, notes=[*notes, *table.notes]) for table in tables]


def _groups(tasks: Sequence[Task], catalog: Catalog) -> list[Group]:
    """Return the finished runs by variant; a run with several folds has finished when all folds have."""
    by_run: dict[tuple[str, int], list[Task]] = {}
    for task in tasks:
        by_run.setdefault((task.job.variant, task.seed), []).append(task)
    by_variant: dict[str, list[FinishedRun]] = {}
    for (variant, _), folds in by_run.items():
        if all(task.folder.is_done for task in folds):
            runs = [open_run(task.folder.path) for task in folds]
            by_variant.setdefault(variant, []).append(runs[0] if len(runs) == 1 else pool(runs, catalog))
    return [Group(variant, tuple(runs)) for variant, runs in by_variant.items()]
