"""``ercfw data cues``."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ercfw.cli.app import AsJson, Overrides, RecipeName, Trust, interruptible, plan_one, select
from ercfw.cli.data.app import data_app
from ercfw.system.launch import MANY
from ercfw.system.writable import check_file


@data_app.command(
    epilog='ercfw data cues mine.toml --modality audio --names ",volume,,pitch,,,speed," --to data/meld/cues.csv'
)
def cues(
    recipe: RecipeName,
    overrides: Overrides = None,
    modality: Annotated[str, typer.Option(help="The modality whose numbers are told.")] = "audio",
    names: Annotated[
        str | None, typer.Option(help="A name per number, separated by commas; an empty one leaves its number out.")
    ] = None,
    to: Annotated[Path, typer.Option(help="The CSV file to write.")] = Path("cues.csv"),
    levels: Annotated[
        Path | None, typer.Option(help="The levels of an earlier corpus, in place of those of train.")
    ] = None,
    source: Annotated[
        Path | None, typer.Option("--input", help="New data, as for 'ercfw predict', in place of the recipe's corpus.")
    ] = None,
    replace: Annotated[bool, typer.Option("--replace", help="Overwrite existing files.")] = False,
    processes: Annotated[int | None, typer.Option(min=1, max=MANY, help="Processes that read clips.")] = None,
    trust: Trust = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show only warnings, errors and results.")] = False,
    as_json: AsJson = False,
) -> None:
    """Tell the numbers of a modality in words.

    Each is very low to very high for its speaker, by train.
    """
    check_file("--to", to, (".csv",))
    job = plan_one(*select(recipe, overrides, None, None, None, trust))
    from ercfw.data.extraction.workers import default_processes
    from ercfw.errors import in_recipe
    from ercfw.experiment.tell_cues import CuesWanted, tell_cues
    from ercfw.system.terminal import Terminal

    terminal = Terminal(quiet=quiet)
    each = None if names is None else tuple(name.strip() for name in names.split(","))
    wanted = CuesWanted(modality, each, levels, source, to, replace)
    hint = "extracted features are kept; the same command continues"
    with interruptible(terminal, hint), in_recipe(job.where), terminal.progress() as bars:
        told = tell_cues(job, wanted, bars.or_lines, processes or default_processes())
    for warning in told.warnings:
        terminal.warning(warning)
    if as_json:
        counts = {"utterances": told.utterances, "told": told.told, "speakers": told.speakers, "own": told.own}
        print(json.dumps({"files": [str(path) for path in told.files], **counts}, ensure_ascii=False))
        return
    for path in told.files:
        print(path)
    print(
        f"cues of {told.told} of {told.utterances} utterances; speakers judged by their own utterances: "
        f"{told.own} of {told.speakers}, the others by those of all"
    )
