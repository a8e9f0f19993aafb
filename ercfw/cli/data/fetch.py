"""``ercfw data fetch``: public files of a corpus."""

from pathlib import Path
from typing import Annotated

import typer

from ercfw.cli.app import interruptible, results_console
from ercfw.cli.data.app import data_app
from ercfw.errors import InputError, did_you_mean
from ercfw.system.writable import check_folder

SERVER = "https://raw.githubusercontent.com"


@data_app.command(epilog="ercfw data fetch meld  |  ercfw data fetch meld --to data/meld")
def fetch(
    corpus: Annotated[str, typer.Argument(help="A dataset's name: meld or iemocap.")],
    to: Annotated[Path | None, typer.Option(help="Its folder; data/CORPUS by default.")] = None,
    base: Annotated[str, typer.Option("--from", help="Another server that has the same files.")] = SERVER,
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite existing feature files.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show only warnings, errors and results.")] = False,
) -> None:
    """Download the public files of a corpus, check each against its pinned hash, and import them."""
    from ercfw.data.exchange.download import fetch as get
    from ercfw.data.exchange.importer import import_features
    from ercfw.registry.catalog import load_catalog
    from ercfw.report.tables import plain_table
    from ercfw.system.terminal import Terminal

    catalog = load_catalog()
    known = {c.name: c.factory for c in catalog.components("dataset") if c.factory.public_files}
    if corpus not in known:
        raise InputError.at(f"fetch {corpus}", "no public files are known for it", did_you_mean(corpus, known))
    root = to or Path("data") / corpus
    check_folder("--to", root)
    files = known[corpus].public_files
    terminal = Terminal(quiet=quiet)
    repositories = dict.fromkeys("/".join(file.url_path.split("/")[:2]) for file in files)
    terminal.info(f"{len(files)} files of {' and '.join(repositories)}, to {root}; their licences and terms apply")
    with interruptible(terminal, "downloaded data is kept; the same command continues"), terminal.progress() as bars:
        for file in files:
            if not get(file, base, root, bars.or_lines):
                terminal.info(f"{file.to}: is there already")
    holds_features = [root / file.to for file in files if file.to.endswith(".pkl")]
    found = import_features(catalog, known[corpus].public_layout, holds_features[0].parent, root, corpus, replace)
    for warning in found.warnings:
        terminal.warning(warning)
    print(f"{found.corpus}: {found.proof}")
    results_console().print(plain_table(found.rows))
