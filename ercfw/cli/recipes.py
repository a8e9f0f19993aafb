"""``ercfw validate`` and ``ercfw show``: what a recipe says, without running it."""

import json
from typing import Annotated

import typer

from ercfw.cli.app import AsJson, Dropped, NoPluginFiles, Overrides, RecipeName, app, plan


@app.command(epilog="ercfw validate recipes/multiemo_meld.toml  |  ercfw validate mine.toml fusion.use=concat")
def validate(
    recipe: RecipeName,
    overrides: Overrides = None,
    drop: Dropped = None,
    no_plugin_files: NoPluginFiles = False,
    as_json: AsJson = False,
) -> None:
    """Check a recipe and all its variants without training; needs no data."""
    jobs = plan(recipe, overrides, ["all"], drop, None, no_plugin_files)
    from ercfw.validate import check_jobs

    found = check_jobs(jobs)
    if as_json:
        variants = [job.variant for job in jobs]
        print(json.dumps({"variants": variants, "warnings": found.warnings, "unchecked": found.unchecked}))
        return
    print(f"{recipe}: valid (variants: {len(jobs) - 1})")
    for kind, notes in (("warning", found.warnings), ("not checked", found.unchecked)):
        for note in notes:
            print(f"{kind}: {note}")


@app.command(epilog="ercfw show multiemo_meld  |  ercfw show mine.toml --variant 'w/o SWFC' train.lr=3e-4")
def show(
    recipe: RecipeName,
    overrides: Overrides = None,
    variant: Annotated[str, typer.Option(help="A variant's name.")] = "base",
    drop: Dropped = None,
    no_plugin_files: NoPluginFiles = False,
    as_json: AsJson = False,
) -> None:
    """Print a recipe with every default written out."""
    (job,) = plan(recipe, overrides, [variant], drop, None, no_plugin_files)
    import tomlkit

    tables = {**job.tables, "seeds": list(job.recipe.seeds)}
    print(json.dumps(tables, ensure_ascii=False) if as_json else tomlkit.dumps(tables).rstrip())
