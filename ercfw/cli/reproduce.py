"""``ercfw reproduce``."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from ercfw.cli.app import AsJson, NoPluginFiles, app, interruptible, results_console
from ercfw.errors import InputError
from ercfw.system.writable import check_folder


@app.command(epilog="ercfw reproduce runs/mosi/base/seed-0")
def reproduce(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.", metavar="RUN")],
    out: Annotated[Path, typer.Option(help="The folder of the second run.")] = Path("runs/reproduced"),
    no_plugin_files: NoPluginFiles = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show only warnings, errors and results.")] = False,
    as_json: AsJson = False,
) -> None:
    """Repeat a finished run and check that its numbers are the same (if not, the exit code is 1)."""
    check_folder("--out", out)
    from ercfw.experiment.reproduce import reproduce as run_again
    from ercfw.results.finished_run import find_groups
    from ercfw.system.terminal import Terminal

    found = [each for group in find_groups([run]) for each in group.runs]
    if len(found) > 1:
        raise InputError.at(run, f"holds {len(found)} runs", f"one of them, such as {found[0].folder}")
    terminal = Terminal(quiet=quiet)
    with interruptible(terminal, ""):
        made = run_again(found[0], out, terminal, not no_plugin_files)
    if as_json:
        print(json.dumps({**asdict(made), "folder": str(made.folder), "exact": made.is_exact}, ensure_ascii=False))
    else:
        console = results_console()
        changed, total = made.renamed
        result = (
            "every score and every prediction is the same, bit for bit"
            if made.is_exact
            else (
                f"the numbers are not the same: scores differ by up to {made.farthest:.4f} points, "
                f"{changed} of {total} utterances have another predicted class"
            )
        )
        where = [f"  {each}" for each in made.differences] or ["  none"]
        for line in (
            f"{run}: {result}",
            "differences between the two environments:",
            *where,
            f"written to {made.folder}",
        ):
            console.print(line, highlight=False, markup=False, soft_wrap=True)
    if not made.is_exact:
        raise typer.Exit(1)
