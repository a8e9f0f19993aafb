"""``ercfw data stats``."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ercfw.cli.app import AsJson, Trust, results_console
from ercfw.cli.data.app import data_app
from ercfw.cli.data.dataset_argument import DataSettings, What, chosen_dataset
from ercfw.cli.named_plugins import NamedPlugins
from ercfw.system.writable import PICTURES, check_file


@data_app.command(epilog="ercfw data stats meld data.root=data/meld --picture meld.png")
def stats(
    what: What,
    settings: DataSettings = None,
    picture: Annotated[Path | None, typer.Option(help="A .png, .svg or .pdf file to draw the figures into.")] = None,
    plugin: NamedPlugins = None,
    trust: Trust = None,
    as_json: AsJson = False,
) -> None:
    """Count conversations, utterances, classes and more.

    For each split: also speakers, emotion shifts and hours.
    """
    if picture is not None:
        check_file("--picture", picture, PICTURES)
    dataset, warnings = chosen_dataset(what, settings, trust, plugin)
    from ercfw.contract.stamps import SIMULATED
    from ercfw.data.audit.corpus_statistics import as_json as statistics_record
    from ercfw.data.audit.corpus_statistics import rows_of, statistics_of
    from ercfw.report.tables import plain_table
    from ercfw.system.terminal import Terminal

    terminal = Terminal()
    for warning in warnings:
        terminal.warning(warning)
    provenance = dataset.provenance
    splits = statistics_of(dataset)
    if picture is not None:
        from ercfw.report.plots.corpus import draw_corpus
        from ercfw.report.plots.glyphs import hint_of_glyphs

        with hint_of_glyphs(terminal.warning):
            draw_corpus(picture, splits, provenance.source, provenance.simulated)
    if as_json:
        printed = {"source": provenance.source, "simulated": provenance.simulated, "splits": statistics_record(splits)}
        print(json.dumps(printed, ensure_ascii=False))
        return
    stamp = f"{SIMULATED}: " if provenance.simulated else ""
    print(f"{stamp}{provenance.source}")
    results_console().print(plain_table(rows_of(splits)))
    if picture is not None:
        print(picture)
