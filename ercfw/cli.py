"""The command line: one function a verb; torch and plugins are imported inside them."""

import json
import os
import re
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from ercfw.errors import ErcfwError, InputError, PeerGoneError, RunError
from ercfw.launch import MANY, launch
from ercfw.machine import use_well
from ercfw.stopping import Stopped, at_once

if TYPE_CHECKING:
    from ercfw.jobs import Job

MOST_SEEDS = 100

PIPE_WIDTH = 120
PATIENCE = 2.0  # seconds

app = typer.Typer(
    name="ercfw",
    help="Train and compare models for multimodal emotion recognition in conversations.",
    epilog="Plugins may add verbs; 'ercfw plugins' lists what is installed.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

RecipeName = Annotated[str, typer.Argument(help="A recipe's file, or the name of a shipped one.", metavar="RECIPE")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(help="Settings, such as train.lr=3e-4 fusion.use=concat.", metavar="[KEY=VALUE]..."),
]
Variants = Annotated[list[str] | None, typer.Option("--variant", help="A variant's name, or 'all'; repeatable.")]
Dropped = Annotated[list[str] | None, typer.Option("--drop", help="A table or key to take away; repeatable.")]
NoPluginFiles = Annotated[bool, typer.Option("--no-plugin-files", help="Refuse recipes that name plugin files.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


@app.command(epilog="ercfw run multiemo_meld  |  ercfw run mine.toml --variant all --seeds 5  |  "
             "ercfw run meld_text data.root=data/meld train.lr=3e-4 --drop loss.swfc")  # fmt: skip
def run(
    recipe: RecipeName,
    overrides: Overrides = None,
    variant: Variants = None,
    drop: Dropped = None,
    seeds: Annotated[str | None, typer.Option(help="A number of seeds (5), or a list (1,7).")] = None,
    out: Annotated[Path, typer.Option(help="Where runs are left.")] = Path("runs"),
    resume: Annotated[bool, typer.Option("--resume", help="Go on with runs that were stopped.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Run again what is done or was stopped.")] = False,
    processes: Annotated[int | None, typer.Option(min=1, max=MANY, help="Processes that share each batch.")] = None,
    no_plugin_files: NoPluginFiles = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Say only warnings, errors and results.")] = False,
    as_json: AsJson = False,
) -> None:
    """Train a recipe, score it, and leave a report."""
    if resume and force:
        raise InputError.at("--resume and --force", "one goes on with a run, the other starts it anew", "one of them")
    if processes is not None and processes > 1:
        launch(processes, _without_processes(sys.argv[1:]))
        return
    jobs = _jobs(recipe, overrides, variant, drop, seeds, no_plugin_files)
    _check_out(out)
    from ercfw.experiment import Manner, run_jobs
    from ercfw.report.tables import run_table, summary_table
    from ercfw.talk import Talk

    talk = Talk(quiet=quiet, silent=not _first_process())
    try:
        results = run_jobs(jobs, Manner(out, resume, force), talk)
    except (KeyboardInterrupt, Stopped):
        talk.say("stopped; the steps done and extracted features are kept: the same command with --resume goes on")
        raise typer.Exit(1) from None
    if not _first_process():
        return
    if as_json:
        print(json.dumps(results, ensure_ascii=False))
        return
    console = Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)
    for metrics in results:
        console.print(run_table(metrics))
    if len(results) > 1:
        console.print(summary_table(results))
    for metrics in results:
        console.print(f"report: {metrics['folder']}/report.md", soft_wrap=True, highlight=False, markup=False)


@app.command(epilog="ercfw validate recipes/multiemo_meld.toml  |  ercfw validate mine.toml fusion.use=concat")
def validate(
    recipe: RecipeName,
    overrides: Overrides = None,
    drop: Dropped = None,
    no_plugin_files: NoPluginFiles = False,
    as_json: AsJson = False,
) -> None:
    """Check a recipe and all its variants without training; needs no data."""
    jobs = _jobs(recipe, overrides, ["all"], drop, None, no_plugin_files)
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
    (job,) = _jobs(recipe, overrides, [variant], drop, None, no_plugin_files)
    import tomlkit

    tables = {**job.tables, "seeds": list(job.recipe.seeds)}
    print(json.dumps(tables, ensure_ascii=False) if as_json else tomlkit.dumps(tables).rstrip())


@app.command("ls", epilog="ercfw ls  |  ercfw ls fusion  |  ercfw ls recipes --json")
def list_(
    what: Annotated[str | None, typer.Argument(help="'recipes', or a kind such as 'fusion'.")] = None,
    as_json: AsJson = False,
) -> None:
    """List shipped recipes and installed components."""
    from ercfw.catalog import KINDS, load_catalog
    from ercfw.errors import did_you_mean
    from ercfw.shipped import shipped_recipes

    if what is not None and what not in {"recipes", *KINDS}:
        raise InputError.at(f"ls {what}", "there is no such kind", did_you_mean(what, ["recipes", *KINDS]))
    listed: dict[str, list[str]] = {}
    if what in (None, "recipes"):
        listed["recipes"] = list(shipped_recipes())
    if what != "recipes":
        catalog = load_catalog()
        listed.update({kind: catalog.names(kind) for kind in KINDS if what in (None, kind)})
    if as_json:
        print(json.dumps(listed))
        return
    for kind, names in listed.items():
        print(f"{kind}: {', '.join(names) or '-'}")


@app.command(epilog="ercfw plugins  |  ercfw plugins --json")
def plugins(as_json: AsJson = False) -> None:
    """List plugins: version, where from, what they offer, and why one is broken."""
    from ercfw.catalog import load_catalog

    found = [
        {
            "name": plugin.name,
            "version": plugin.version,
            "origin": plugin.origin,
            "offers": [f"{component.kind} {component.name}" for component in plugin.components],
            "failure": plugin.failure,
        }
        for plugin in load_catalog().plugins
    ]
    if as_json:
        print(json.dumps(found))
        return
    for plugin in found:
        print(f"{plugin['name']} {plugin['version']} ({plugin['origin']})")
        print(f"  BROKEN: {plugin['failure']}" if plugin["failure"] else f"  {', '.join(plugin['offers'] or [])}")


def _jobs(
    recipe: str,
    overrides: list[str] | None,
    variants: list[str] | None,
    dropped: list[str] | None,
    seeds: str | None,
    no_plugin_files: bool,
) -> "list[Job]":
    from ercfw.overrides import parse_overrides
    from ercfw.shipped import find_recipe
    from ercfw.variants import read_toml

    source = read_toml(find_recipe(recipe))
    chosen_seeds = _seeds(seeds, source.tables.get("seeds"))
    settings = parse_overrides(overrides or [])
    from ercfw.jobs import Choice, plan_jobs

    chosen = variants or ["base"]
    choice = Choice(
        variants=source.variants if "all" in chosen else list(dict.fromkeys(chosen)),
        seeds=chosen_seeds,
        overrides=settings,
        dropped=dropped or [],
        allow_plugin_files=not no_plugin_files,
    )
    jobs = plan_jobs(source, choice)
    for path in sorted({path for job in jobs for path in job.plugin_files}) if _first_process() else ():
        print(f"ran plugin file {path}", file=sys.stderr)
    return jobs


def _without_processes(words: list[str]) -> list[str]:
    """The same command, for each of the processes."""
    return [
        word
        for before, word in zip(["", *words], words, strict=False)
        if "--processes" not in (before, word) and not word.startswith("--processes=")
    ]


def _check_out(out: Path) -> None:
    there = next(path for path in (out, *out.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise InputError.at(f"--out {out}", f"{there} is no folder that can be written to")


def _seeds(text: str | None, in_recipe: Any) -> list[int] | None:
    """``5`` is five seeds, counting up from the recipe's first; ``1,7`` is these, ``7,`` this one."""
    if text is None:
        return None
    words = text.removesuffix(",").split(",")
    numbers = [int(word) if re.fullmatch(r"\s*[0-9]{1,10}\s*", word) else -1 for word in words]
    a_list = "," in text
    if min(numbers) < 0 or max(numbers) >= 2**32 or len(set(numbers)) < len(numbers) or (numbers == [0] and not a_list):
        raise InputError.at(
            "--seeds", f"'{text}' is neither a number of seeds nor a list of different ones", "5 or 1,7"
        )
    if a_list:
        return numbers
    if numbers[0] > MOST_SEEDS:
        raise InputError.at("--seeds", f"'{text}' would be {text} runs", f"--seeds {text}, for this one seed")
    first = in_recipe[0] if isinstance(in_recipe, list) and in_recipe and isinstance(in_recipe[0], int) else 0
    return list(range(first, first + numbers[0]))


def _add_plugin_commands(words: list[str]) -> None:
    """Load plugins for their verbs only when the verb is none of ours, so that ours start quickly."""
    ours = {command.name or command.callback.__name__ for command in app.registered_commands if command.callback}
    if words and not words[0].startswith("-") and words[0] not in ours:
        from ercfw.catalog import load_catalog

        for failure in load_catalog().call("add_commands", app=app):
            print(f"warning: {failure}", file=sys.stderr)


def main() -> None:
    """Run the command line; a user's mistake ends in one message."""
    try:
        with at_once():
            _main()
    except Stopped:
        if _first_process():
            print("stopped", file=sys.stderr)
        sys.exit(1)


def _first_process() -> bool:
    return os.environ.get("RANK", "0") == "0"


def _main() -> None:
    use_well()
    if "WORLD_SIZE" in os.environ:
        # Every process would warn that a search for unused parameters found none, at every start.
        os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    try:
        _add_plugin_commands(sys.argv[1:])
        app()
    except ErcfwError as error:
        # What all processes meet is told by the first; the others wait, for it ends them with itself.
        if not _first_process():
            time.sleep(PATIENCE)
        told = _first_process() or (isinstance(error, RunError) and not isinstance(error, PeerGoneError))
        for line in str(error).splitlines() if told else []:
            print(f"error: {line}", file=sys.stderr)
        sys.exit(error.exit_code)
    except RuntimeError as error:
        from ercfw.distributed import is_of_another_process

        if not is_of_another_process(error):
            raise
        time.sleep(PATIENCE)  # who has ended tells why
        sys.exit(1)
