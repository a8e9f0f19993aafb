"""``ercfw tune``."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ercfw.cli.app import AsJson, Dropped, Name, Overrides, RecipeName, Trust, app, interruptible, select, show_plugins

Storage = Annotated[str | None, typer.Option(help="A database for workers to share; else a file beside the trials.")]


@app.command(epilog="ercfw tune mine.toml  |  ercfw tune mine.toml run.workers=4  |  "
             "ercfw tune mine.toml --storage postgresql://host/trials")  # fmt: skip
def tune(
    recipe: RecipeName,
    overrides: Overrides = None,
    variant: Annotated[str, typer.Option(help="The variant to tune.")] = "base",
    drop: Dropped = None,
    name: Name = None,
    out: Annotated[Path, typer.Option(help="The folder of trials and the best recipe.")] = Path("runs"),
    storage: Storage = None,
    trust: Trust = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show only warnings, errors and results.")] = False,
    as_json: AsJson = False,
) -> None:
    """Search the settings in [tune] by the score on dev.

    It writes the best recipe. The same command continues a search.
    """
    from ercfw.experiment.search import make_search
    from ercfw.experiment.tune import tune as run_search
    from ercfw.results.points import points
    from ercfw.system.terminal import Terminal

    source, selection = select(recipe, overrides, [variant], drop, None, trust, name=name)
    search = make_search(source, selection, out, storage)
    show_plugins([search.job])
    terminal = Terminal(quiet=quiet)
    with interruptible(terminal, "finished trials are kept; the same command continues"):
        best = run_search(search, terminal)
    if as_json:
        printed = {
            "best": best.values,
            "dev": best.score,
            "trial": best.trial,
            "recipe": str(best.recipe),
            "stamps": best.stamps,
        }
        print(json.dumps(printed))
        return
    stamps = "".join(f"[{stamp}] " for stamp in best.stamps)
    score = points(best.score, scale=best.scale)
    print(f"{stamps}best of {best.trials} trials: {score} on dev (the search chose it for that)")
    for key, value in best.values.items():
        print(f"  {key} = {value}")
    print(f"recipe: {best.recipe}")
