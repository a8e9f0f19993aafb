"""``ercfw ensemble``."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ercfw.cli.app import AsJson, app, results_console
from ercfw.errors import InputError
from ercfw.system.writable import check_folder


@app.command(epilog="ercfw ensemble runs/mosi/base  |  ercfw ensemble runs/mosi/text/seed-0 runs/mosi/audio/seed-0 "
             "--out runs/both")  # fmt: skip
def ensemble(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs, of variants, or of recipes.", metavar="RUN...")],
    out: Annotated[Path, typer.Option(help="A new folder, in the form of a run's.")] = Path("runs/ensemble"),
    equal: Annotated[bool, typer.Option("--equal", help="Equal weights; otherwise they are fitted on dev.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over --out if it is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Average the probabilities of finished runs, and score them together."""
    if (out / "metrics.json").exists() and not force:
        raise InputError.at(f"--out {out}", "holds a run already", "--force writes over it")
    check_folder("--out", out)
    from ercfw.registry.catalog import load_catalog
    from ercfw.report.tables import plain_table
    from ercfw.results.comparison.comparability import check_comparable, targets_of
    from ercfw.results.comparison.ensemble import combine, ensemble_metrics, member_rows, write_ensemble_predictions
    from ercfw.results.finished_run import Group, find_groups
    from ercfw.system.files import write_text

    members = [run for group in find_groups(runs) for run in group.runs]
    if len(members) < 2:
        raise InputError.at(runs[0], "is one run", "several make an ensemble")
    apart = [Group(str(run.folder), (run,)) for run in members]
    targets = targets_of(apart, "test")
    for target in targets:
        check_comparable(apart, "test", target)
    together = combine(members, targets, load_catalog(), fitted=not equal)
    metrics = ensemble_metrics(members, together, out, fitted=not equal)
    write_ensemble_predictions(out / "predictions.csv", members[0], together, metrics["stamps"])
    write_text(out / "metrics.json", json.dumps(metrics, indent=2, ensure_ascii=False) + "\n")
    if as_json:
        print(json.dumps(metrics, ensure_ascii=False))
        return
    console = results_console()
    console.print(plain_table(member_rows(members, together, metrics["select"])))
    for line in [*metrics["stamps"], *metrics["notes"], f"left in {out}"]:
        console.print(line, highlight=False, markup=False)
