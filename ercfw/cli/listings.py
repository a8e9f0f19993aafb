"""``ercfw ls`` and ``ercfw plugins``."""

import json
from typing import Annotated

import typer

from ercfw.cli.app import AsJson, app, show_warnings
from ercfw.cli.kind_argument import singular
from ercfw.errors import InputError


@app.command("ls", epilog="ercfw ls  |  ercfw ls fusion  |  ercfw ls recipes --json")
def list_(
    what: Annotated[str | None, typer.Argument(help="'recipes', or a kind such as 'fusion'.")] = None,
    as_json: AsJson = False,
) -> None:
    """List shipped recipes and installed components."""
    from ercfw.errors import did_you_mean
    from ercfw.recipe.shipped import shipped_recipes
    from ercfw.registry.catalog import KINDS, load_catalog

    if what is not None:
        what = singular(what)
    if what is not None and what not in {"recipes", *KINDS}:
        raise InputError.at(f"ls {what}", "there is no such kind", did_you_mean(what, ["recipes", *KINDS]))
    listed: dict[str, list[str]] = {}
    if what in (None, "recipes"):
        listed["recipes"] = list(shipped_recipes())
    if what != "recipes":
        catalog = load_catalog()
        show_warnings(catalog.warnings)
        listed.update({kind: catalog.names(kind) for kind in KINDS if what in (None, kind)})
    if as_json:
        print(json.dumps(listed))
        return
    for kind, names in listed.items():
        print(f"{kind}: {', '.join(names) or '-'}")


@app.command(epilog="ercfw plugins  |  ercfw plugins --strict  |  ercfw plugins --json")
def plugins(
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with code 1 if a plugin is broken or two offer the same name.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List plugins, and why one is broken.

    It prints the version, the origin and the parts of each.
    """
    from ercfw.registry.catalog import load_catalog

    catalog = load_catalog()
    listed = [
        {
            "name": plugin.name,
            "version": plugin.version,
            "origin": plugin.origin,
            "offers": [f"{component.kind} {component.name}" for component in plugin.components],
            "failure": plugin.failure,
            "warnings": plugin.warnings,
        }
        for plugin in catalog.plugins
    ]
    if as_json:
        print(json.dumps(listed))
    else:
        for plugin in catalog.plugins:
            print(f"{plugin.name} {plugin.version} ({plugin.origin})")
            offers = ", ".join(f"{component.kind} {component.name}" for component in plugin.components)
            print(f"  BROKEN: {plugin.failure}" if plugin.failure else f"  {offers}")
            for warning in plugin.warnings:
                print(f"  warning: {warning}")
        for claim in catalog.claimed_twice():
            print(f"CLAIMED TWICE: {claim}")
    if strict and (any(plugin["failure"] for plugin in listed) or catalog.claimed_twice()):
        raise typer.Exit(1)
