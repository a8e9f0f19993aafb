"""``ercfw reproduce``."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ercfw.cli.app import AsJson, Trust, app, interruptible, plugin_policy, results_console, show_outside
from ercfw.errors import InputError, shown
from ercfw.system.writable import check_folder


@app.command(epilog="ercfw reproduce runs/mosi/base/seed-0")
def reproduce(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.", metavar="RUN")],
    out: Annotated[Path, typer.Option(help="The folder of the second run.")] = Path("runs/reproduced"),
    trust: Trust = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show only warnings, errors and results.")] = False,
    as_json: AsJson = False,
) -> None:
    """Repeat a finished run and compare the numbers.

    The exit code is 1 if they differ.
    """
    check_folder("--out", out)
    from ercfw.experiment.reproduce import reproduce as run_again
    from ercfw.results.finished_run import find_groups
    from ercfw.system.terminal import Terminal

    runs = [each for group in find_groups([run]) for each in group.runs]
    if len(runs) > 1:
        raise InputError.at(run, f"contains {len(runs)} runs", f"name one of them, such as {runs[0].folder}")
    terminal = Terminal(quiet=quiet)
    show_outside(runs[0].folder, terminal.info)
    with interruptible(terminal, ""):
        comparison = run_again(runs[0], out, terminal, plugin_policy(trust))
    if as_json:
        printed = {**asdict(comparison), "folder": str(comparison.folder), "exact": comparison.is_exact}
        print(json.dumps(printed, ensure_ascii=False))
    else:
        console = results_console()
        changed, total = comparison.renamed
        result = (
            "every score and every prediction is the same, bit for bit"
            if comparison.is_exact
            else (
                f"the numbers are not the same: scores differ by up to {comparison.farthest:.4f} points, "
                f"{changed} of {total} utterances have another predicted class"
            )
        )
        where = [f"  {shown(each)}" for each in comparison.differences] or ["  none"]
        for line in (
            f"{run}: {result}",
            "differences between the two environments:",
            *where,
            f"written to {comparison.folder}",
        ):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
    if not comparison.is_exact:
        raise typer.Exit(1)
