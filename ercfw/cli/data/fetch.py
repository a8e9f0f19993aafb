"""``ercfw data fetch``: public files of a corpus."""

from pathlib import Path
from typing import Annotated

import typer

from ercfw.cli.app import interruptible, results_console
from ercfw.cli.data.app import data_app

SERVER = "https://raw.githubusercontent.com"


@data_app.command(epilog="ercfw data fetch meld  |  ercfw data fetch meld --to data/meld")
def fetch(
    corpus: Annotated[str, typer.Argument(help="A dataset's name: meld or iemocap.")],
    to: Annotated[Path | None, typer.Option(help="Its folder; data/CORPUS by default.")] = None,
    base: Annotated[str, typer.Option("--from", help="Another server that has the same files.")] = SERVER,
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite existing feature files.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show only warnings, errors and results.")] = False,
) -> None:
    """Download the public files of a corpus and import them.

    It checks each file against its pinned hash.
    """
    from ercfw.data.exchange.fetch import fetch_corpus
    from ercfw.registry.catalog import load_catalog
    from ercfw.report.exchange import imported_row
    from ercfw.report.tables import plain_table
    from ercfw.system.terminal import Terminal

    terminal = Terminal(quiet=quiet)
    with interruptible(terminal, "downloaded data is kept; the same command continues"):
        imported = fetch_corpus(load_catalog(), corpus, to or Path("data") / corpus, base, replace, terminal)
    for warning in imported.warnings:
        terminal.warning(warning)
    print(f"{imported.corpus}: {imported.proof}")
    results_console().print(plain_table(list(map(imported_row, imported.files))))
