"""``ercfw ablate`` and ``ercfw missing``."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ercfw.cli.app import (
    AsJson,
    Dropped,
    MaxRuns,
    Name,
    Overrides,
    Quote,
    RecipeName,
    Trust,
    Variants,
    app,
    interruptible,
    select,
    show_plugins,
)
from ercfw.experiment.number_of_runs import MOST_RUNS
from ercfw.system.writable import check_folder

if TYPE_CHECKING:
    from ercfw.experiment.parallel import Task
    from ercfw.system.terminal import Terminal

Seeds = Annotated[
    str | None,
    typer.Option(help="A number of seeds (5), or a list (1,7). By default those of the recipe; if it names none, 5."),
]
Out = Annotated[Path, typer.Option(help="The folder of all runs.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Show only warnings, errors and results.")]


@app.command(epilog="ercfw ablate mosi data.root=data/mosi  |  ercfw ablate mine.toml --seeds 3 run.workers=8  |  "
             "ercfw ablate multiemo_meld --variant base --variant concat")  # fmt: skip
def ablate(
    recipe: RecipeName,
    overrides: Overrides = None,
    variant: Variants = None,
    drop: Dropped = None,
    name: Name = None,
    seeds: Seeds = None,
    folds: Annotated[
        int | None,
        typer.Option(
            min=3, max=99, help="Split the data into so many folds; each is test once, and scores are of all."
        ),
    ] = None,
    max_runs: MaxRuns = MOST_RUNS,
    out: Out = Path("runs"),
    quote: Quote = False,
    trust: Trust = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Run every variant with every seed, and compare them.

    Their number is shown first. Runs are parallel, one process each. The same command continues after an interruption.
    """
    check_folder("--out", out)
    from ercfw.experiment.ablate import number_of_runs, plan_ablation
    from ercfw.system.terminal import Terminal

    source, selection = select(recipe, overrides, variant or ["all"], drop, seeds, trust, name=name)
    terminal = Terminal(quiet=quiet)
    number_of_runs(source, selection, folds).announce(max_runs, "--max-runs", terminal.info)
    tasks = plan_ablation(source, selection, out, folds)
    show_plugins([task.job for task in tasks])
    _run_and_show(tasks, out, terminal, as_json, quote)


@app.command(epilog="ercfw missing mosi data.root=data/mosi --seeds 3")
def missing(
    recipe: RecipeName,
    overrides: Overrides = None,
    variant: Annotated[str, typer.Option(help="The variant to test.")] = "base",
    drop: Dropped = None,
    seeds: Seeds = None,
    out: Out = Path("runs"),
    trust: Trust = None,
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Train and score with more and more modalities missing.

    The table also has each subset of the modalities.
    """
    check_folder("--out", out)
    from ercfw.experiment.ablate import plan_missing
    from ercfw.system.terminal import Terminal

    source, selection = select(recipe, overrides, [variant], drop, seeds, trust)
    tasks = plan_missing(source, selection, out)
    show_plugins([task.job for task in tasks])
    _run_and_show(tasks, out, Terminal(quiet=quiet), as_json)


def _run_and_show(tasks: "Sequence[Task]", out: Path, terminal: "Terminal", as_json: bool, quote: bool = False) -> None:
    from ercfw.cli.compare import print_tables
    from ercfw.experiment.ablate import run_ablation
    from ercfw.report.result_tables import record

    with interruptible(terminal, "finished runs and steps are kept; the same command continues"):
        ablation = run_ablation(tasks, out, terminal, quote)
    if as_json:
        tables = [record(table) for table in ablation.tables]
        print(json.dumps({"tables": tables, "failures": ablation.failures}, ensure_ascii=False))
    else:
        print_tables(ablation.tables)
        for path in ablation.files:
            print(f"table: {path}")
    for name, why in ablation.failures.items():
        terminal.warning(f"{name} failed: {why}")
    if ablation.failures:
        raise typer.Exit(1)
