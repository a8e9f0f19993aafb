"""Download the public files of a corpus and import them."""

from pathlib import Path

from ercfw.data.exchange.download import fetch
from ercfw.data.exchange.importer import ImportedFeatures, import_features
from ercfw.errors import InputError, did_you_mean
from ercfw.registry.catalog import Catalog
from ercfw.system.terminal import Terminal
from ercfw.system.writable import check_folder


def fetch_corpus(
    catalog: Catalog, corpus: str, to: Path, server: str, replace: bool, terminal: Terminal
) -> ImportedFeatures:
    """Download the public files of a corpus, check each against its pinned hash, and import their features.

    Args:
        catalog: the plugins.
        corpus: the name of a dataset that has public files.
        to: the folder of the corpus; files that are there already are not downloaded again.
        server: the address of the server.
        replace: replace feature files at ``to`` whose values differ.
        terminal: shows progress.

    Raises:
        InputError: the dataset has no public files, or other files are at ``to``.
        RunError: a file cannot be downloaded.
    """
    known = {c.name: c.factory for c in catalog.components("dataset") if c.factory.public_files}
    if corpus not in known:
        raise InputError.at(f"fetch {corpus}", "no public files are known for it", did_you_mean(corpus, known))
    check_folder("--to", to)
    files = known[corpus].public_files
    repositories = dict.fromkeys("/".join(file.url_path.split("/")[:2]) for file in files)
    terminal.info(f"{len(files)} files of {' and '.join(repositories)}, to {to}; their licences and terms apply")
    with terminal.progress() as bars:
        for file in files:
            if not fetch(file, server, to, bars.or_lines):
                terminal.info(f"{file.to}: is there already")
    features = next(to / file.to for file in files if file.to.endswith(".pkl"))
    return import_features(catalog, known[corpus].public_format, features.parent, to, corpus, replace)
