"""``ercfw tune``."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ercfw.cli.app import AsJson, Dropped, NoPluginFiles, Overrides, RecipeName, app, plan
from ercfw.errors import InputError, RunError
from ercfw.system.signals import Stopped
from ercfw.system.writable import check_folder

if TYPE_CHECKING:
    from ercfw.experiment.tune import Search
    from ercfw.recipe.schema import RunSettings

APART = 100_003
"""Between the seeds of two workers, each of which adds the number of trials that it finds."""

Storage = Annotated[str | None, typer.Option(help="A database that workers share; else a file beside the trials.")]


@app.command(epilog="ercfw tune mine.toml  |  ercfw tune mine.toml run.workers=4  |  "
             "ercfw tune mine.toml --storage postgresql://host/trials")  # fmt: skip
def tune(
    recipe: RecipeName,
    overrides: Overrides = None,
    variant: Annotated[str, typer.Option(help="The variant that is tuned.")] = "base",
    drop: Dropped = None,
    out: Annotated[Path, typer.Option(help="Where trials and the best recipe are left.")] = Path("runs"),
    storage: Storage = None,
    no_plugin_files: NoPluginFiles = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say only warnings, errors and results.")] = False,
    as_json: AsJson = False,
) -> None:
    """Search the space of the recipe's [tune] by its dev score, and write the best recipe; again, it goes on."""
    search = _search(recipe, overrides or [], variant, drop or [], out, storage, no_plugin_files)
    from ercfw.experiment.tune import check_space, finished, open_study, run_trials, stamps_of, write_best
    from ercfw.system.terminal import Terminal

    check_space(search)
    study = open_study(search)
    terminal = Terminal(quiet=quiet)
    settings, before = search.job.recipe.run, finished(study)
    if before:
        terminal.info(f"{before} of {search.settings.trials} trials were done before")
    try:
        if (settings.workers or 1) > 1 and before < search.settings.trials:
            words = [recipe, *(overrides or []), f"--variant={variant}", *(f"--drop={each}" for each in drop or [])]
            words += [f"--out={out}", *([f"--storage={storage}"] if storage else [])]
            words += ["--no-plugin-files"] if no_plugin_files else []
            _start_workers(tuple(words), settings, search)
        else:
            run_trials(search, study, terminal)
    except (KeyboardInterrupt, Stopped):
        terminal.info("stopped; the trials done are kept: the same command goes on")
        raise typer.Exit(1) from None
    path, best = write_best(search, study), study.best_trial
    found = {
        "best": best.params,
        "dev": best.value,
        "trial": best.number,
        "recipe": str(path),
        "stamps": stamps_of(best),
    }
    if as_json:
        print(json.dumps(found))
        return
    stamps = "".join(f"[{stamp}] " for stamp in stamps_of(best))
    score = f"{100 * (best.value or 0):.2f} on dev (the search chose it for that)"
    print(f"{stamps}best of {finished(study)} trials: {score}")
    for key, value in best.params.items():
        print(f"  {key} = {value}")
    print(f"recipe: {path}")


def _search(
    recipe: str,
    overrides: list[str],
    variant: str,
    drop: list[str],
    out: Path,
    storage: str | None,
    no_plugin_files: bool,
) -> "Search":
    """What the words of the command ask for, checked."""
    (job,) = plan(recipe, overrides, [variant], drop, None, no_plugin_files)
    if job.recipe.tune is None:
        mend = '[tune.space] "train.lr" = { low = 1e-5, high = 1e-3, log = true }'
        raise InputError.at(f"{job.where}: [tune]", "is missing", mend)
    check_folder("--out", out)
    from ercfw.experiment.plan import Selection
    from ercfw.experiment.tune import Search
    from ercfw.recipe.overrides import parse_overrides
    from ercfw.recipe.recipe_file import read_toml, slug
    from ercfw.recipe.shipped import find_recipe

    choice = Selection(
        variants=[variant],
        seeds=job.recipe.seeds[:1],
        overrides=parse_overrides(overrides),
        dropped=drop,
        allow_plugin_files=not no_plugin_files,
    )
    source, folder = read_toml(find_recipe(recipe)), out / job.name / f"tune-{slug(variant)}"
    return Search(source, choice, job, job.recipe.tune, folder, storage)


def _start_workers(words: tuple[str, ...], settings: "RunSettings", search: "Search") -> None:
    """Several processes that share the study, on this machine or where ``[run]`` says; each draws by its own seed."""
    from concurrent.futures import as_completed

    from ercfw.experiment.executors import open_executor

    seeds = [search.settings.seed + APART * number for number in range(settings.workers or 1)]
    with open_executor(settings, search.folder / "jobs") as submit:
        own = [("run.workers=1", f"tune.seed={seed % 2**32}", "--quiet") for seed in seeds]
        workers = [submit(("tune", *words, *each)) for each in own]
        for worker in as_completed(workers):
            ended = worker.result()
            if ended.exit_code:
                lines = ended.err.strip().splitlines() or [f"exit code {ended.exit_code}"]
                raise RunError(f"a worker failed: {lines[-1].removeprefix('error: ')}")
