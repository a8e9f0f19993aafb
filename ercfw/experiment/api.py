"""Train, compare and report from Python: ``ercfw.run``, ``ablate``, ``compare`` and ``write_report``."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from ercfw.errors import InputError
from ercfw.experiment.ablate import Ablation, number_of_runs, plan_ablation, run_ablation
from ercfw.experiment.arguments import (
    Override,
    RecipeArgument,
    Seeds,
    choose_seeds,
    make_selection,
    open_recipe,
    under_name,
)
from ercfw.experiment.number_of_runs import MOST_RUNS
from ercfw.experiment.plan import Job, Selection, plan_jobs
from ercfw.experiment.run_all import RunOptions, run_jobs
from ercfw.recipe.recipe_file import RecipeFile
from ercfw.registry.trust import PluginFiles
from ercfw.report.compare import Comparison, compare_groups
from ercfw.report.write_report import default_path, write_page
from ercfw.results.finished_run import FinishedRun, Group, find_groups
from ercfw.system.process_setup import own_accelerate_state, set_up_process
from ercfw.system.signals import Stopped
from ercfw.system.terminal import Terminal
from ercfw.system.user_folders import user_path
from ercfw.system.writable import PAGES, check_file, check_folder

MOST_FOLDS = 99

RunArgument = str | Path | FinishedRun
"""A finished run, or the folder of a run, of a variant or of a recipe."""


def run(
    recipe: RecipeArgument,
    *overrides: Override,
    variants: str | Sequence[str] = "base",
    seeds: Seeds = None,
    out: str | Path = "runs",
    drop: Sequence[str] = (),
    name: str | None = None,
    cross_fit: int = 0,
    resume: bool = False,
    force: bool = False,
    plugin_files: bool = True,
    trust: bool = False,
    quiet: bool = True,
) -> list[FinishedRun]:
    """Train a recipe, score it, and write the same folders as ``ercfw run``.

    Runs that have finished before are not run again; their results are returned.

    Args:
        recipe: the path of a recipe, the name of a shipped one, or a recipe's tables.
        overrides: settings as on the command line (``"train.lr=3e-4"``), or as a mapping (``{"train.lr": 3e-4}``).
        variants: names of variants, or ``"all"``; ``"base"`` is the recipe itself.
        seeds: how many seeds, or a list of them; the recipe's by default.
        out: the folder of all runs.
        drop: dotted paths of tables or keys to remove from the recipe.
        name: a name for these settings, and for the folder of the runs; by default that of the variant.
        cross_fit: cut the training split into so many parts, and also run each variant without each part; 0 = do not.
        resume: continue runs that were stopped.
        force: run again what has finished or was stopped.
        plugin_files: whether the recipe's plugin files may be executed.
        trust: trust the recipe's plugin files on this machine, now and later; others than trusted ones are refused.
        quiet: show only warnings.

    Returns:
        The finished runs, variant by variant and seed by seed.

    Raises:
        InputError: the recipe, a setting or the data is wrong; the message lists every mistake.
        RunError: a run failed.
        KeyboardInterrupt: the run was interrupted; its checkpoint is saved, and ``resume=True`` continues it.
    """
    options = _run_options(user_path(out), resume, force)
    terminal, policy = Terminal(quiet=quiet), PluginFiles.chosen(plugin_files, trust)
    jobs = plan_jobs(*_select(recipe, overrides, variants, seeds, drop, policy, cross_fit, name))
    _show_plugins(jobs, terminal)
    check_folder("out", options.out)
    set_up_process()
    with _as_keyboard_interrupt(), own_accelerate_state():
        return run_jobs(jobs, options, terminal)


def ablate(
    recipe: RecipeArgument,
    *overrides: Override,
    variants: str | Sequence[str] = "all",
    seeds: Seeds = None,
    folds: int | None = None,
    max_runs: int = MOST_RUNS,
    out: str | Path = "runs",
    drop: Sequence[str] = (),
    name: str | None = None,
    plugin_files: bool = True,
    trust: bool = False,
    quote: bool = False,
    quiet: bool = True,
) -> Ablation:
    """Run every variant with every seed in parallel processes, and compare them, as ``ercfw ablate`` does.

    The same call continues an ablation that was interrupted. A run that fails does not stop the others.

    Args:
        recipe: the path of a recipe, the name of a shipped one, or a recipe's tables.
        overrides: settings; ``run.workers=8``, ``run.executor=slurm`` and the like choose where runs are started.
        variants: names of variants, or ``"all"``; the first one is the reference.
        seeds: how many seeds, or a list of them; by default those of the recipe, or five if it names none.
        folds: split the data into so many folds (3 to 99); each is test once, and scores are of all.
        max_runs: refuse to start more runs than this, such as those of a large grid.
        out: the folder of all runs.
        drop: dotted paths of tables or keys to remove from the recipe.
        name: a name for these settings, and for the folder of the runs; by default that of the variant.
        plugin_files: whether the recipe's plugin files may be executed.
        trust: trust the recipe's plugin files on this machine, now and later; others than trusted ones are refused.
        quote: also show scores that papers report under another protocol, below the runs.
        quiet: show only warnings.

    Returns:
        The finished runs by variant, the tables, and the reasons of failures.

    Raises:
        InputError: the recipe, a setting or the data is wrong; the message lists every mistake.
        KeyboardInterrupt: the ablation was interrupted.
    """
    _check_folds(folds)
    terminal, folder, policy = Terminal(quiet=quiet), user_path(out), PluginFiles.chosen(plugin_files, trust)
    source, selection = _select(recipe, overrides, variants, seeds, drop, policy, name=name)
    number_of_runs(source, selection, folds).announce(max_runs, "max_runs", terminal.info)
    tasks = plan_ablation(source, selection, folder, folds)
    _show_plugins([task.job for task in tasks], terminal)
    check_folder("out", folder)
    with _as_keyboard_interrupt():
        return run_ablation(tasks, folder, terminal, quote)


def compare(
    *runs: RunArgument,
    split: Literal["test", "dev"] = "test",
    side_by_side: bool = False,
    columns: Sequence[str] = (),
    names: Mapping[str, str] | None = None,
    quote: bool = False,
) -> Comparison:
    """Compare finished runs, as ``ercfw compare`` does.

    Args:
        runs: finished runs, or folders of runs, variants or recipes; at least two variants in all.
        split: the split whose scores are compared.
        side_by_side: give each recipe a column of its own, so that data and protocols may differ.
        columns: the score columns; all by default.
        names: new names for lines of the table, by their old ones.
        quote: also show scores that papers report under another protocol, below the runs; not ``side_by_side``.

    Returns:
        The tables, one per target; ``write`` saves them as Markdown, LaTeX and CSV.

    Raises:
        InputError: the runs cannot be compared.
    """
    if split not in ("test", "dev"):
        raise InputError.at("split", f"there is no split '{split}' to compare", "'test' or 'dev'")
    return compare_groups(_groups(runs), split, side_by_side, columns, names, quote)


def write_report(
    *runs: RunArgument,
    out: str | Path | None = None,
    pictures: str | Path | None = None,
    plugin_files: bool = True,
    trust: bool = False,
    quiet: bool = True,
) -> Path:
    """Write one HTML page about finished runs, as ``ercfw report`` does.

    Args:
        runs: finished runs, or folders of runs, variants or recipes.
        out: the file; ``report.html`` in the folder that the runs have in common by default.
        pictures: a folder for every picture, as PNG, SVG and PDF.
        plugin_files: whether the runs' plugin files may be executed, which attention needs.
        trust: trust the runs' plugin files on this machine, now and later; others than trusted ones are left out.
        quiet: show only warnings.

    Returns:
        The path of the page.

    Raises:
        InputError: the runs cannot be compared, or their files cannot be read.
    """
    groups = _groups(runs)
    path = user_path(out) if out is not None else default_path([_folder(each) for each in runs])
    folder = user_path(pictures) if pictures is not None else None
    check_file("out", path, PAGES)
    if folder is not None:
        check_folder("pictures", folder)
    terminal = Terminal(quiet=quiet)
    with terminal.progress() as bars:
        warnings = write_page(groups, path, bars.or_lines, PluginFiles.chosen(plugin_files, trust), folder)
    for warning in warnings:
        terminal.warning(warning)
    return path


def _check_folds(folds: int | None) -> None:
    if folds is not None and not 3 <= folds <= MOST_FOLDS:
        raise InputError.at("folds", f"{folds} is not from 3 to {MOST_FOLDS}")


def _run_options(out: Path, resume: bool, force: bool) -> RunOptions:
    if resume and force:
        what = "one continues a run, the other starts it again"
        raise InputError.at("resume and force", what, "use only one of them")
    return RunOptions(out, resume, force)


def _select(
    recipe: RecipeArgument,
    overrides: Sequence[Override],
    variants: str | Sequence[str],
    seeds: Seeds,
    drop: Sequence[str],
    plugin_files: PluginFiles,
    cross_fit: int = 0,
    name: str | None = None,
) -> tuple[RecipeFile, Selection]:
    source = open_recipe(recipe)
    chosen = choose_seeds(seeds, source.tables.get("seeds"))
    selection = make_selection(
        source,
        overrides,
        variants=variants,
        seeds=chosen,
        drop=drop,
        plugin_files=plugin_files,
        cross_fit=cross_fit,
    )
    return under_name(source, selection, name)


def _show_plugins(jobs: Sequence[Job], terminal: Terminal) -> None:
    for path in sorted({path for job in jobs for path in job.plugin_files}):
        terminal.info(f"ran plugin file {path}")
    for warning in dict.fromkeys(warning for job in jobs for warning in job.catalog.warnings):
        terminal.warning(warning)


def _groups(runs: Sequence[RunArgument]) -> list[Group]:
    if not runs:
        raise InputError.at("runs", "is empty", "a finished run, or the folder of runs")
    return find_groups([_folder(each) for each in runs])


def _folder(run: RunArgument) -> Path:
    if isinstance(run, FinishedRun):
        return run.folder
    if isinstance(run, (str, Path)):
        return user_path(run)
    what = f"should be a finished run or a folder, not {type(run).__name__}"
    raise InputError.at("runs", what, "compare(*runs), with an asterisk, for a list")


@contextmanager
def _as_keyboard_interrupt() -> Iterator[None]:
    """Raise what notebooks expect when a run is interrupted after its checkpoint is saved."""
    try:
        yield
    except Stopped:
        raise KeyboardInterrupt from None
