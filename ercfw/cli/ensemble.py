"""``ercfw ensemble``."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ercfw.cli.app import AsJson, app, results_console
from ercfw.errors import InputError
from ercfw.results.run_files import RunFiles
from ercfw.system.writable import check_folder


@app.command(epilog="ercfw ensemble runs/mosi/base  |  ercfw ensemble runs/mosi/text/seed-0 runs/mosi/audio/seed-0 "
             "--out runs/both")  # fmt: skip
def ensemble(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs, of variants, or of recipes.", metavar="RUN...")],
    out: Annotated[Path, typer.Option(help="A new folder, with the files of a run.")] = Path("runs/ensemble"),
    equal: Annotated[bool, typer.Option("--equal", help="Equal weights; otherwise they are fitted on dev.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Overwrite --out.")] = False,
    as_json: AsJson = False,
) -> None:
    """Average the predictions of finished runs and score them.

    The average is that of the probabilities.
    """
    if RunFiles(out).metrics.exists() and not force:
        raise InputError.at(f"--out {out}", "already contains a run", "overwrite it with --force")
    check_folder("--out", out)
    from ercfw.report.tables import plain_table
    from ercfw.results.comparison.ensemble_folder import write_ensemble
    from ercfw.results.finished_run import find_groups

    members = [run for group in find_groups(runs) for run in group.runs]
    combined = write_ensemble(members, out, fitted=not equal)
    if as_json:
        print(json.dumps(combined.metrics.as_json(), ensure_ascii=False))
        return
    console = results_console()
    console.print(plain_table(combined.rows))
    for line in [*combined.metrics.stamps, *combined.metrics.notes, f"written to {out}"]:
        console.print(line, highlight=False, markup=False)
