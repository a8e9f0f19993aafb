"""``ercfw check``."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from ercfw.cli.app import AsJson, app, show_warnings
from ercfw.cli.kind_argument import singular
from ercfw.errors import InputError


@app.command(
    epilog="ercfw check gated-sum  |  ercfw check fusion/gated --plugin gated.py width=8  |  ercfw check swfc --slow"
)
def check(
    name: Annotated[str, typer.Argument(help="A part's name, or KIND/NAME.")],
    options: Annotated[list[str] | None, typer.Argument(help="Its options.", metavar="[KEY=VALUE]...")] = None,
    plugin: Annotated[list[Path] | None, typer.Option(help="A plugin file to load; repeatable.")] = None,
    reads: Annotated[
        Literal["vector", "frames", "tokens"], typer.Option(help="What an encoder or model reads.")
    ] = "vector",
    modality: Annotated[
        list[str] | None, typer.Option(help="A modality to read, and its width; repeatable.", metavar="NAME=D")
    ] = None,
    clip: Annotated[Path | None, typer.Option(help="A video or sound file, for an extractor.")] = None,
    slow: Annotated[bool, typer.Option("--slow", help="Also run the checks that take seconds.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run the conformance checks of a part; the exit code is 1 if one fails."""
    from ercfw.recipe.overrides import parse_overrides
    from ercfw.registry.catalog import load_catalog
    from ercfw.registry.plugin_file import plugin_files
    from ercfw.registry.trust import PluginFiles, admit
    from ercfw.testing.check_parts import CheckSettings, check_named

    settings = CheckSettings(reads, parse_overrides(modality or []), clip, slow)
    files = plugin_files([str(path) for path in plugin or []], Path(), "--plugin")
    catalog = load_catalog(admit(files, PluginFiles.TRUST, "--plugin"))  # the user names each of them
    if broken := catalog.broken_files("--plugin"):
        raise InputError(broken)
    show_warnings(catalog.warnings)
    kind, slash, bare = name.rpartition("/")
    reports = check_named(singular(kind) + slash + bare, parse_overrides(options or []), catalog, settings)
    if as_json:
        print(json.dumps([{"part": r.part, "outcomes": [asdict(o) for o in r.outcomes]} for r in reports]))
    else:
        print("\n\n".join(map(str, reports)))
    if any(report.of("failed") for report in reports):
        raise typer.Exit(1)
