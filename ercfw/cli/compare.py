"""``ercfw compare``."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from ercfw.cli.app import AsJson, Quote, app, results_console
from ercfw.system.writable import check_folder

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
    columns: Annotated[
        str, typer.Option(help="The score columns, separated by commas; all by default.", metavar="COLUMN,...")
    ] = "",
    names: Annotated[
        list[str] | None, typer.Option("--name", help="Another name for a line of the table.", metavar="LINE=NAME")
    ] = None,
    quote: Quote = False,
    out: Annotated[Path | None, typer.Option(help="A folder for comparison.md, .tex, .csv and utterances.csv.")] = None,
    as_json: AsJson = False,
) -> None:
    """Compare finished runs in one table.

    It says which differences are significant, and which utterances each variant predicts correctly.
    """
    if out is not None:
        check_folder("--out", out)
    from ercfw.report.agreement import agreement_record, agreement_rows
    from ercfw.report.compare import compare_groups
    from ercfw.report.result_tables import record
    from ercfw.report.tables import plain_table
    from ercfw.results.finished_run import find_groups

    chosen = [name.strip() for name in columns.split(",") if name.strip()]
    comparison = compare_groups(find_groups(runs), split, apart, chosen, _mapping(names or []), quote)
    for failure in comparison.warnings:
        typer.echo(f"warning: {failure}", err=True)
    if out is not None:
        comparison.write(out)
    if as_json:
        tables = [record(table) for table in comparison.tables]
        pairs = list(map(agreement_record, comparison.pairs))
        print(json.dumps({"tables": tables, "pairs": pairs}, ensure_ascii=False))
        return
    print_tables(comparison.tables)
    if comparison.pairs:
        results_console().print(plain_table(agreement_rows(comparison.pairs)))


def _mapping(words: Sequence[str]) -> dict[str, str]:
    """Return ``LINE=NAME`` as a mapping.

    Raises:
        InputError: a word has another form.
    """
    from ercfw.errors import InputError

    names = {}
    for word in words:
        line, _, name = word.rpartition("=")
        if not line or not name:
            raise InputError.at("--name", f"'{word}' is not of the form LINE=NAME", 'such as "w/o audio=Text only"')
        names[line] = name
    return names


def print_tables(tables: "Sequence[ResultTable]") -> None:
    """Print tables and their notes on standard output."""
    from ercfw.report.result_tables import in_terminal

    console = results_console()
    for table in tables:
        console.print(*in_terminal(table))
        for note in table.all_notes:
            console.print(note, highlight=False, markup=False)
