"""``ercfw compare``."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ercfw.cli.app import AsJson, app, check_folder, results_console
from ercfw.errors import InputError

if TYPE_CHECKING:
    from ercfw.results.comparison.result_table import ResultTable


@app.command(epilog="ercfw compare runs/mosi  |  ercfw compare runs/mosi/base runs/mosi/text --out paper  |  "
             "ercfw compare runs/multiemo_meld runs/multiemo_iemocap --side-by-side")  # fmt: skip
def compare(
    runs: Annotated[list[Path], typer.Argument(help="Folders of runs, of variants, or of recipes.", metavar="RUN...")],
    split: Annotated[Literal["test", "dev"], typer.Option(help="The split whose scores are compared.")] = "test",
    apart: Annotated[
        bool, typer.Option("--side-by-side", help="Also other data or protocols: a column for each, no claims across.")
    ] = False,
    out: Annotated[Path | None, typer.Option(help="A folder for comparison.md, .tex, .csv and utterances.csv.")] = None,
    as_json: AsJson = False,
) -> None:
    """Put finished runs into one table: what can be told apart, and who gets which utterances right."""
    if out is not None:
        check_folder("--out", out)
    from ercfw.registry.catalog import load_catalog
    from ercfw.report.result_tables import record, write_tables
    from ercfw.report.tables import plain_table
    from ercfw.results.comparison.agreement import pair_counts, write_right
    from ercfw.results.comparison.compare import comparable_tables, side_by_side
    from ercfw.results.comparison.reported_scores import find_quoted
    from ercfw.results.finished_run import find_groups

    groups = find_groups(runs)
    if len(groups) < 2:
        raise InputError.at(runs[0], "holds the runs of one variant only", "name another folder to compare it with")
    quoted, failures = find_quoted(load_catalog())
    for failure in failures:
        typer.echo(f"warning: {failure}", err=True)
    tables = [side_by_side(groups, split)] if apart else comparable_tables(groups, split, quoted)
    pairs = [] if apart else pair_counts(groups, split, tables[0].target)
    if out is not None:
        write_tables(out, "comparison", tables)
        if not apart:
            write_right(out / "utterances.csv", groups, split, tables[0].target)
    if as_json:
        print(json.dumps({"tables": [record(table) for table in tables], "pairs": pairs}, ensure_ascii=False))
        return
    print_tables(tables)
    if pairs:
        results_console().print(plain_table(pairs))


def print_tables(tables: "Sequence[ResultTable]") -> None:
    """Tables and what they mean, on standard output."""
    from ercfw.report.result_tables import in_terminal

    console = results_console()
    for table in tables:
        console.print(*in_terminal(table))
        for note in [*table.meaning, *table.notes]:
            console.print(note, highlight=False, markup=False)
