"""``ercfw ablate``."""

import json
from pathlib import Path
from typing import Annotated

import typer

from ercfw.cli.app import AsJson, Dropped, NoPluginFiles, Overrides, RecipeName, Variants, app, check_folder, plan
from ercfw.stopping import Stopped


@app.command(epilog="ercfw ablate mosi data.root=data/mosi  |  ercfw ablate mine.toml --seeds 3 run.workers=8  |  "
             "ercfw ablate multiemo_meld --variant base --variant concat")  # fmt: skip
def ablate(
    recipe: RecipeName,
    overrides: Overrides = None,
    variant: Variants = None,
    drop: Dropped = None,
    seeds: Annotated[str, typer.Option(help="A number of seeds (5), or a list (1,7).")] = "5",
    out: Annotated[Path, typer.Option(help="Where runs are left.")] = Path("runs"),
    no_plugin_files: NoPluginFiles = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say only warnings, errors and results.")] = False,
    as_json: AsJson = False,
) -> None:
    """Run every variant with every seed, side by side, and put them into one table; again, it goes on."""
    variants = variant or ["all"]
    jobs = plan(recipe, overrides, variants, drop, seeds, no_plugin_files)
    check_folder("--out", out)
    from ercfw.ablate import make_tasks, run_tasks
    from ercfw.cli.compare import print_tables
    from ercfw.results.forms import record
    from ercfw.results.present import write_tables
    from ercfw.talk import Talk

    talk = Talk(quiet=quiet)
    words = [recipe, *(overrides or []), *(f"--drop={each}" for each in drop or [])]
    words += ["--no-plugin-files"] if no_plugin_files else []
    try:
        outcome = run_tasks(make_tasks(jobs, words, out), jobs[0].recipe.run, out / jobs[0].name, talk)
    except (KeyboardInterrupt, Stopped):
        talk.say("stopped; what is done is kept: the same command goes on")
        raise typer.Exit(1) from None
    written = write_tables(out / jobs[0].name, "ablation", outcome.tables) if outcome.tables else []
    if as_json:
        tables = [record(table) for table in outcome.tables]
        print(json.dumps({"tables": tables, "failures": outcome.failures}, ensure_ascii=False))
    else:
        print_tables(outcome.tables)
        for path in written:
            print(f"table: {path}")
    for name, why in outcome.failures.items():
        talk.warn(f"{name} failed: {why}")
    if outcome.failures:
        raise typer.Exit(1)
