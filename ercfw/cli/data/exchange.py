"""``ercfw data import`` and ``ercfw data export``: feature files of other projects."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ercfw.cli.app import AsJson, Trust, results_console
from ercfw.cli.data.app import data_app
from ercfw.cli.data.dataset_argument import DataSettings, What, chosen_dataset
from ercfw.cli.former_names import FormerLayout, chosen_format
from ercfw.errors import InputError
from ercfw.system.writable import check_folder

DEFAULT_FORMAT = "mmgcn"
FormatName = Annotated[str, typer.Argument(help="The format of the files: 'ercfw ls format'.", metavar="FORMAT")]
FormatOption = Annotated[
    str | None, typer.Option("--format", help=f"Their format: 'ercfw ls format'; {DEFAULT_FORMAT} by default.")
]


@data_app.command("import", epilog="ercfw data import multiemo downloads/MELD --to data/meld")
def import_(
    format_name: FormatName,
    path: Annotated[Path, typer.Argument(help="Their folder, or one of them.")],
    to: Annotated[Path, typer.Option(help="The corpus' folder, with its annotations.")],
    corpus: Annotated[str | None, typer.Option(help="The dataset's name, if the files do not show it.")] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite existing feature files.")] = False,
    as_json: AsJson = False,
) -> None:
    """Import feature files of other projects.

    It first checks which utterance each row belongs to.
    """
    check_folder("--to", to)
    from ercfw.data.exchange.importer import import_features
    from ercfw.registry.catalog import load_catalog
    from ercfw.report.exchange import imported_row
    from ercfw.report.tables import plain_table
    from ercfw.system.terminal import Terminal

    terminal = Terminal(quiet=as_json)
    terminal.info(f"reading {path}; nothing in it is run")
    imported = import_features(load_catalog(), format_name, path, to, corpus, replace)
    for warning in imported.warnings:
        terminal.warning(warning)
    rows = list(map(imported_row, imported.files))
    if as_json:
        ranges = {"ranges": imported.ranges} if imported.ranges else {}
        printed = {"corpus": imported.corpus, "files": rows, "proof": imported.proof, **ranges}
        print(json.dumps(printed, ensure_ascii=False))
        return
    print(f"{imported.corpus}: {imported.proof}")
    results_console().print(plain_table(rows))
    for target, (low, high) in imported.ranges.items():
        setting = f'[data.targets.{target}] with kind = "regression" and range = [{low:g}, {high:g}]'
        terminal.info(f"to train on the scores '{target}', set {setting}")


@data_app.command(epilog="ercfw data export multiemo_meld data.root=data/meld --format mmgcn --to out")
def export(
    what: What,
    settings: DataSettings = None,
    format_name: FormatOption = None,
    to: Annotated[Path, typer.Option(help="The folder to write to.")] = Path("export"),
    stream: Annotated[list[str] | None, typer.Option(help="SLOT=MODALITY fills a slot; repeatable.")] = None,
    without: Annotated[list[str] | None, typer.Option(help="A slot to leave out; repeatable.")] = None,
    layout: FormerLayout = None,
    trust: Trust = None,
    as_json: AsJson = False,
) -> None:
    """Write a corpus and its features for other projects."""
    format_name = chosen_format(format_name, layout) or DEFAULT_FORMAT
    check_folder("--to", to)
    from ercfw.data.exchange.exporter import export_features
    from ercfw.registry.catalog import load_catalog
    from ercfw.report.exchange import exported_row
    from ercfw.report.tables import plain_table
    from ercfw.system.terminal import Terminal

    terminal = Terminal(quiet=as_json)
    dataset, warnings = chosen_dataset(what, settings, trust)
    for warning in warnings:
        terminal.warning(warning)
    exported = export_features(load_catalog(), dataset, format_name, to, _slots(stream or []), without or [])
    rows = list(map(exported_row, exported.streams))
    if as_json:
        printed = {"files": [str(path) for path in exported.paths], "streams": rows}
        print(json.dumps(printed, ensure_ascii=False))
        return
    for path in exported.paths:
        print(path)
    results_console().print(plain_table(rows))


def _slots(words: list[str]) -> dict[str, str]:
    slots: dict[str, str] = {}
    for word in words:
        slot, equals, modality = word.partition("=")
        if not equals or not slot or not modality or slot in slots:
            what = "is not of the form SLOT=MODALITY, or names a slot again"
            raise InputError.at(f"--stream {word}", what, "such as roberta1=text")
        slots[slot] = modality
    return slots
