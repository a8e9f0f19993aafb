"""``ercfw extract``."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ercfw.cli.app import (
    AsJson,
    Dropped,
    Overrides,
    RecipeName,
    Trust,
    app,
    interruptible,
    plan_one,
    results_console,
    select,
)
from ercfw.system.launch import MANY
from ercfw.system.writable import check_folder


@app.command(epilog="ercfw extract mine.toml  |  ercfw extract mine.toml data.root=data/meld --to features")
def extract(
    recipe: RecipeName,
    overrides: Overrides = None,
    variant: Annotated[str, typer.Option(help="A variant's name.")] = "base",
    drop: Dropped = None,
    to: Annotated[Path | None, typer.Option(help="A folder for one feature file per modality.")] = None,
    processes: Annotated[int | None, typer.Option(min=1, max=MANY, help="Processes that read clips.")] = None,
    check_clips: Annotated[bool, typer.Option("--check-clips", help="First open and check every clip.")] = False,
    trust: Trust = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show only warnings, errors and results.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run a recipe's extractors and cache the features.

    'ercfw run' reads them from the cache.
    """
    job = plan_one(*select(recipe, overrides, [variant], drop, None, trust))
    if to is not None:
        check_folder("--to", to)
    from ercfw.data.extraction.workers import default_processes
    from ercfw.errors import in_recipe
    from ercfw.experiment.extract_features import extract_features
    from ercfw.report.tables import features_table
    from ercfw.system.terminal import Terminal

    terminal = Terminal(quiet=quiet)
    hint = "extracted features are kept; the same command continues"
    with interruptible(terminal, hint), in_recipe(job.where), terminal.progress() as bars:
        extracted = extract_features(job, bars.or_lines, processes or default_processes(), to, check_clips)
    for warning in extracted.warnings:
        terminal.warning(warning)
    if as_json:
        print(json.dumps(extracted.modalities, ensure_ascii=False))
        return
    for modality in extracted.modalities:
        for utterance, why in modality["broken"].items():
            terminal.warning(f"{modality['modality']}: {utterance}: {why}")
    results_console().print(features_table(extracted.modalities))
