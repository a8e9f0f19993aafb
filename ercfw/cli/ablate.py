"""``ercfw ablate`` and ``ercfw missing``."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ercfw.cli.app import AsJson, Dropped, NoPluginFiles, Overrides, RecipeName, Variants, app, plan
from ercfw.system.signals import Stopped
from ercfw.system.writable import check_folder

if TYPE_CHECKING:
    from ercfw.experiment.parallel import Task
    from ercfw.system.terminal import Terminal

Seeds = Annotated[str, typer.Option(help="A number of seeds (5), or a list (1,7).")]
Out = Annotated[Path, typer.Option(help="Where runs are left.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Say only warnings, errors and results.")]


@app.command(epilog="ercfw ablate mosi data.root=data/mosi  |  ercfw ablate mine.toml --seeds 3 run.workers=8  |  "
             "ercfw ablate multiemo_meld --variant base --variant concat")  # fmt: skip
def ablate(
    recipe: RecipeName,
    overrides: Overrides = None,
    variant: Variants = None,
    drop: Dropped = None,
    seeds: Seeds = "5",
    folds: Annotated[
        int | None,
        typer.Option(min=3, max=99, help="Each of so many folds of the data is test once; scores are of all."),
    ] = None,
    out: Out = Path("runs"),
    no_plugin_files: NoPluginFiles = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Run every variant with every seed, side by side, and put them into one table; again, it goes on."""
    check_folder("--out", out)
    from ercfw.experiment.ablate import make_tasks
    from ercfw.system.terminal import Terminal

    tasks: list[Task] = []
    for fold in range(folds or 1):
        own = [f"data.fold={fold}", f"data.folds={folds}"] if folds else []
        settings = [*(overrides or []), *own]
        jobs = plan(recipe, settings, variant or ["all"], drop, seeds, no_plugin_files)
        words = [recipe, *settings, *(f"--drop={each}" for each in drop or [])]
        words += ["--no-plugin-files"] if no_plugin_files else []
        tasks += make_tasks(jobs, words, out / f"fold-{fold}-of-{folds}" if folds else out)
    _run_and_show(tasks, out, Terminal(quiet=quiet), as_json)


@app.command(epilog="ercfw missing mosi data.root=data/mosi --seeds 3")
def missing(
    recipe: RecipeName,
    overrides: Overrides = None,
    variant: Annotated[str, typer.Option(help="The variant that is tried.")] = "base",
    drop: Dropped = None,
    seeds: Seeds = "5",
    out: Out = Path("runs"),
    no_plugin_files: NoPluginFiles = False,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train and score with more and more utterances that lack modalities, and score each subset of them: one table."""
    check_folder("--out", out)
    from ercfw.recipe.missing_modalities import write_missing_recipe
    from ercfw.recipe.overrides import parse_overrides
    from ercfw.recipe.recipe_file import read_toml, resolve_variant
    from ercfw.recipe.shipped import find_recipe
    from ercfw.system.terminal import Terminal

    source = read_toml(find_recipe(recipe))
    plan(recipe, overrides, [variant], drop, seeds, no_plugin_files)  # tells what is wrong by the recipe's own name
    tables = resolve_variant(source, variant, parse_overrides(overrides or []), drop or [])
    written = write_missing_recipe(source, tables, out)
    jobs = plan(str(written), None, ["all"], None, seeds, no_plugin_files)[1:]
    words = [str(written), *(["--no-plugin-files"] if no_plugin_files else [])]
    from ercfw.experiment.ablate import make_tasks

    _run_and_show(make_tasks(jobs, words, out), out, Terminal(quiet=quiet), as_json)


def _run_and_show(tasks: "Sequence[Task]", out: Path, terminal: "Terminal", as_json: bool) -> None:
    from ercfw.cli.compare import print_tables
    from ercfw.experiment.ablate import run_tasks
    from ercfw.report.result_tables import record, write_tables

    first = tasks[0].job
    folder = out / first.name
    try:
        outcome = run_tasks(tasks, first.recipe.run, folder, terminal)
    except (KeyboardInterrupt, Stopped):
        terminal.info("stopped; what is done is kept: the same command goes on")
        raise typer.Exit(1) from None
    written = write_tables(folder, "ablation", outcome.tables) if outcome.tables else []
    if as_json:
        tables = [record(table) for table in outcome.tables]
        print(json.dumps({"tables": tables, "failures": outcome.failures}, ensure_ascii=False))
    else:
        print_tables(outcome.tables)
        for path in written:
            print(f"table: {path}")
    for name, why in outcome.failures.items():
        terminal.warning(f"{name} failed: {why}")
    if outcome.failures:
        raise typer.Exit(1)
