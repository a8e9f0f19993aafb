"""``ercfw run``."""

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from ercfw.cli.app import (
    AsJson,
    Dropped,
    MaxRuns,
    Name,
    Overrides,
    RecipeName,
    Trust,
    Variants,
    app,
    first_process,
    interruptible,
    plan,
    results_console,
    select,
)
from ercfw.errors import InputError
from ercfw.experiment.number_of_runs import MOST_RUNS, NumberOfRuns
from ercfw.system.launch import MANY, launch
from ercfw.system.writable import check_folder

HINT = "finished steps and extracted features are kept; the same command with --resume continues"


@app.command(epilog="ercfw run multiemo_meld  |  ercfw run mine.toml --variant all --seeds 5  |  "
             "ercfw run meld_text data.root=data/meld train.lr=3e-4 --drop loss.swfc")  # fmt: skip
def run(
    recipe: RecipeName,
    overrides: Overrides = None,
    variant: Variants = None,
    drop: Dropped = None,
    name: Name = None,
    seeds: Annotated[str | None, typer.Option(help="A number of seeds (5), or a list (1,7).")] = None,
    cross_fit: Annotated[
        int | None,
        typer.Option(min=2, max=99, help="Run each variant also without each of so many parts of train."),
    ] = None,
    max_runs: MaxRuns = MOST_RUNS,
    out: Annotated[Path, typer.Option(help="The folder of all runs.")] = Path("runs"),
    resume: Annotated[bool, typer.Option("--resume", help="Continue runs that were stopped.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Run again what has finished or was stopped.")] = False,
    processes: Annotated[int | None, typer.Option(min=1, max=MANY, help="Processes that share each batch.")] = None,
    trust: Trust = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show only warnings, errors and results.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a recipe, score it, and write a report."""
    _refuse_both(resume, force)
    if processes is not None and processes > 1:
        launch(processes, _without_processes(sys.argv[1:]))
        return
    jobs = plan(*select(recipe, overrides, variant, drop, seeds, trust, cross_fit or 0, name))
    check_folder("--out", out)
    from ercfw.experiment.run_all import RunOptions, run_jobs
    from ercfw.report.tables import run_table, summary_tables
    from ercfw.system.terminal import Terminal

    terminal = Terminal(quiet=quiet, silent=not first_process())
    number = NumberOfRuns(len(jobs), len(jobs[0].recipe.seeds))
    number.announce(max_runs, "--max-runs", terminal.info if number.total > 1 else lambda _: None)
    with interruptible(terminal, HINT):
        finished = run_jobs(jobs, RunOptions(out, resume, force), terminal)
    if not first_process():
        return
    results = [each.metrics for each in finished]
    if as_json:
        print(json.dumps([metrics.as_json() for metrics in results], ensure_ascii=False))
        return
    console = results_console()
    for metrics in results:
        console.print(run_table(metrics))
    for table in summary_tables(results) if len(results) > 1 else ():
        console.print(table)
    for each in finished:
        line = f"report: {each.folder}/report.md (as a page: ercfw report {each.folder} --open)"
        console.print(line, soft_wrap=True, highlight=False, markup=False)


def _refuse_both(resume: bool, force: bool) -> None:
    if resume and force:
        what = "one continues a run, the other starts it again"
        raise InputError.at("--resume and --force", what, "use only one of them")


def _without_processes(words: list[str]) -> list[str]:
    """Return the command without ``--processes``, for each of the processes."""
    return [
        word
        for before, word in zip(["", *words], words, strict=False)
        if "--processes" not in (before, word) and not word.startswith("--processes=")
    ]
