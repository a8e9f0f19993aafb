"""``ercfw check``: whether a part keeps the promises of its kind."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from ercfw.cli.app import AsJson, app, show_warnings
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
        list[str] | None, typer.Option(help="A modality that is read, and its width; repeatable.", metavar="NAME=D")
    ] = None,
    clip: Annotated[Path | None, typer.Option(help="A video or sound file, for an extractor.")] = None,
    slow: Annotated[bool, typer.Option("--slow", help="Run the checks that take seconds, too.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run the conformance checks of a part; exit code 1 if one fails."""
    from ercfw.errors import did_you_mean
    from ercfw.recipe.overrides import parse_overrides
    from ercfw.registry.catalog import load_catalog, plugin_files
    from ercfw.registry.options import read_options
    from ercfw.testing import CHECKS, check_part

    catalog = load_catalog(plugin_files([str(path) for path in plugin or []], Path(), "--plugin"))
    if broken := catalog.broken_files("--plugin"):
        raise InputError(broken)
    show_warnings(catalog.warnings)
    kind, slash, bare = name.rpartition("/")
    if slash and kind not in CHECKS:
        raise InputError.at(f"check {name}", f"there is no kind '{kind}'", did_you_mean(kind, CHECKS))
    found = [catalog.find(kind, bare, f"check {name}")] if slash else [
        catalog.find(at, name, f"check {name}") for at in CHECKS if name in catalog.names(at)
    ]  # fmt: skip
    if not found:
        names = sorted({component for at in CHECKS for component in catalog.names(at)})
        raise InputError.at(f"check {name}", "there is no such part", catalog.instead(name, names))
    given, dims = parse_overrides(options or []), parse_overrides(modality or [])
    for key, width in dims.items():
        if not isinstance(width, int) or width < 1:
            raise InputError.at(f"--modality {key}", f"'{width}' is no width", "text=64")
    if given and len(found) > 1:
        kinds = ", ".join(f"{component.kind}/{name}" for component in found)
        raise InputError.at(f"check {name}", "options are of one part, and there are several", kinds)
    read = [read_options(c.made_by, given, f"check {name}") if c.kind != "metric" else ({}, []) for c in found]
    if any(mistakes for _, mistakes in read):
        raise InputError([mistake for _, mistakes in read for mistake in mistakes])
    reports = [
        check_part(
            c.kind, c.made_by, {key: values[key] for key in given}, reads=reads, dims=dims or None, clip=clip, slow=slow
        )
        for c, (values, _) in zip(found, read, strict=True)
    ]
    if as_json:
        print(json.dumps([{"part": r.part, "outcomes": [asdict(o) for o in r.outcomes]} for r in reports]))
    else:
        print("\n\n".join(map(str, reports)))
    if any(report.of("failed") for report in reports):
        raise typer.Exit(1)
