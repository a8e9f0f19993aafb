"""``ercfw validate`` and ``ercfw show``."""

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from ercfw.cli.app import (
    AsJson,
    Dropped,
    Overrides,
    RecipeName,
    Trust,
    app,
    plan,
    plan_one,
    results_console,
    select,
    show_executed,
    show_warnings,
)
from ercfw.cli.kind_argument import singular
from ercfw.errors import InputError, did_you_mean

if TYPE_CHECKING:
    from ercfw.experiment.plan import Job, Selection
    from ercfw.recipe.recipe_file import RecipeFile


@app.command(epilog="ercfw validate recipes/multiemo_meld.toml  |  ercfw validate mine.toml fusion.use=concat")
def validate(
    recipe: RecipeName,
    overrides: Overrides = None,
    drop: Dropped = None,
    trust: Trust = None,
    as_json: AsJson = False,
) -> None:
    """Check a recipe and all its variants without training.

    It needs no data.
    """
    source, selection = select(recipe, overrides, ["all"], drop, None, trust)
    jobs = plan(source, selection)
    from ercfw.experiment.search import check_own_space
    from ercfw.experiment.validate import check_jobs

    checked = check_jobs(jobs)
    check_own_space(source, selection, jobs[0])
    if as_json:
        variants = [job.variant for job in jobs]
        print(json.dumps({"variants": variants, "warnings": checked.warnings, "unchecked": checked.unchecked}))
        return
    print(f"{recipe}: valid (variants: {len(jobs) - 1})")
    for kind, notes in (("warning", checked.warnings), ("not checked", checked.unchecked)):
        for note in notes:
            print(f"{kind}: {note}")


@app.command(epilog="ercfw show multiemo_meld  |  ercfw show mine.toml --graph  |  ercfw show fusions  |  "
             "ercfw show fusion multiattn")  # fmt: skip
def show(
    recipe: Annotated[
        str, typer.Argument(help="A recipe; or a kind of part, alone or before a name.", metavar="RECIPE")
    ],
    overrides: Overrides = None,
    variant: Annotated[str, typer.Option(help="A variant's name.")] = "base",
    drop: Dropped = None,
    graph: Annotated[
        bool, typer.Option("--graph", help="Print the network as a Mermaid diagram, with shapes.")
    ] = False,
    trust: Trust = None,
    as_json: AsJson = False,
) -> None:
    """Print a recipe, its network, or what a part does.

    A recipe is printed with every default. The name of a kind alone lists its parts.
    """
    if not overrides and _show_kind(recipe, as_json):
        return
    if overrides and "=" not in overrides[0]:
        _show_part(recipe, overrides, as_json)
        return
    selected = select(recipe, overrides, [variant], drop, None, trust)
    if graph:
        _show_graph(plan_one(*selected), as_json)
    else:
        _show_tables(*selected, as_json)


def _show_graph(job: "Job", as_json: bool) -> None:
    from ercfw.errors import in_recipe
    from ercfw.report.diagram import mermaid

    with in_recipe(job.where):
        drawn = mermaid(job.recipe, job.parts)
    print(json.dumps({"graph": drawn}) if as_json else drawn)


def _show_tables(source: "RecipeFile", selection: "Selection", as_json: bool) -> None:
    """Print the recipe; plugin files that may not run leave only the defaults of their parts unknown."""
    import tomlkit

    from ercfw.experiment.plan import only_variant, read_variant
    from ercfw.registry.resolve import tables_with_defaults

    read = read_variant(source, only_variant(selection), selection)
    if read.mistakes:
        raise InputError(read.mistakes)
    show_executed([] if read.untrusted else read.files, read.catalog.warnings)
    show_warnings(f"the defaults of parts from plugin files are missing: {mistake}" for mistake in read.untrusted)
    tables = {**tables_with_defaults(read.recipe, read.found), "seeds": list(read.recipe.seeds)}
    print(json.dumps(tables, ensure_ascii=False) if as_json else tomlkit.dumps(tables).rstrip())


def _show_kind(word: str, as_json: bool) -> bool:
    """Print one line for each part of the kind that a word names; return whether it names a kind."""
    from ercfw.registry.catalog import KINDS, load_catalog
    from ercfw.registry.describe import summary
    from ercfw.report.tables import plain_table

    kind = singular(word)
    if kind not in KINDS:
        return False
    catalog = load_catalog()
    show_warnings(catalog.warnings)
    parts = [{"name": c.name, "plugin": c.plugin, "summary": summary(c)} for c in catalog.components(kind)]
    if as_json:
        print(json.dumps({kind: parts}, ensure_ascii=False))
        return True
    results_console().print(plain_table(parts) if parts else f"no installed plugin offers a {kind}")
    return True


def _show_part(kind: str, names: list[str], as_json: bool) -> None:
    from ercfw.registry.catalog import KINDS, load_catalog
    from ercfw.registry.describe import describe_part

    words = " ".join(["show", kind, *names])
    kind = singular(kind)
    if kind not in KINDS:
        raise InputError.at(
            words, f"'{names[0]}' is not a setting, and '{kind}' is not a kind", did_you_mean(kind, KINDS)
        )
    if len(names) > 1:
        raise InputError.at(words, f"'{names[1]}' is one argument too many", f"ercfw show {kind} {names[0]}")
    described = describe_part(load_catalog().find(kind, names[0], words))
    print(json.dumps(asdict(described)) if as_json else described)
