"""``ercfw check``."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from ercfw.cli.app import AsJson, app, show_warnings
from ercfw.cli.kind_argument import singular
from ercfw.cli.named_plugins import NamedPlugins, load_named


@app.command(
    epilog="ercfw check gated-sum  |  ercfw check fusion/gated --plugin gated.py width=8  |  ercfw check swfc --slow"
)
def check(
    name: Annotated[str, typer.Argument(help="A part's name, or KIND/NAME.")],
    options: Annotated[list[str] | None, typer.Argument(help="Its options.", metavar="[KEY=VALUE]...")] = None,
    plugin: NamedPlugins = None,
    reads: Annotated[
        Literal["vector", "frames", "tokens"] | None,
        typer.Option(help="What an encoder or model reads; by default the first with which it runs."),
    ] = None,
    modality: Annotated[
        list[str] | None, typer.Option(help="A modality to read, and its width; repeatable.", metavar="NAME=D")
    ] = None,
    clip: Annotated[Path | None, typer.Option(help="A video or sound file, for an extractor.")] = None,
    slow: Annotated[bool, typer.Option("--slow", help="Also run the checks that take seconds.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run the conformance checks of a part.

    The exit code is 1 if one fails.
    """
    from ercfw.recipe.overrides import parse_overrides
    from ercfw.testing.check_parts import CheckSettings, check_named

    settings = CheckSettings(reads, parse_overrides(modality or []), clip, slow)
    catalog = load_named(plugin)
    show_warnings(catalog.warnings)
    kind, slash, bare = name.rpartition("/")
    reports = check_named(singular(kind) + slash + bare, parse_overrides(options or []), catalog, settings)
    if as_json:
        print(json.dumps([asdict(report) for report in reports]))
    else:
        print("\n\n".join(map(str, reports)))
    if any(report.of("failed") for report in reports):
        raise typer.Exit(1)
