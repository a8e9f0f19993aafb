"""``ercfw data check``."""

import dataclasses
import json

import typer

from ercfw.cli.app import AsJson, Trust, results_console
from ercfw.cli.data.app import data_app
from ercfw.cli.data.dataset_argument import DataSettings, What, chosen_data
from ercfw.cli.named_plugins import NamedPlugins


@data_app.command(epilog="ercfw data check meld data.root=data/meld  |  ercfw data check mosi")
def check(
    what: What,
    settings: DataSettings = None,
    plugin: NamedPlugins = None,
    trust: Trust = None,
    as_json: AsJson = False,
) -> None:
    """Find faults in a corpus and its streams.

    It checks ids, times, labels and values, and finds streams that were fitted on labels.
    """
    chosen = chosen_data(what, settings, trust, plugin)
    dataset = chosen.dataset
    from ercfw.contract.stamps import SIMULATED
    from ercfw.data.audit.audit import check_corpus
    from ercfw.data.audit.finding import LEVELS, Finding
    from ercfw.errors import in_recipe, with_warnings
    from ercfw.report.tables import plain_table
    from ercfw.system.terminal import Terminal

    terminal = Terminal(quiet=as_json)
    if dataset.provenance.simulated:
        terminal.banner(SIMULATED, f"{dataset.provenance.source}: nothing below describes a real corpus")
    with with_warnings(chosen.warnings), in_recipe(chosen.where), terminal.progress() as bars:
        reading = [Finding("doubtful", "reading", text) for text in chosen.warnings]
        findings = [*reading, *check_corpus(dataset, bars, chosen.extractors, chosen.cues)]
    rows = [dataclasses.asdict(finding) for finding in findings]
    if as_json:
        printed = {"source": dataset.provenance.source, "simulated": dataset.provenance.simulated, "findings": rows}
        print(json.dumps(printed, ensure_ascii=False))
    else:
        results_console().print(plain_table(rows))
        counts = {level: sum(finding.level == level for finding in findings) for level in LEVELS}
        print(f"{dataset.provenance.source}: " + ", ".join(f"{level} {count}" for level, count in counts.items()))
    if any(finding.level == "wrong" for finding in findings):
        raise typer.Exit(1)
