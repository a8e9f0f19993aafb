"""The application of the command line, and the arguments and functions that several verbs share."""

import os
import re
import sys
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from ercfw.errors import LONGEST_HINT, InputError, shown
from ercfw.system.gc_pause import objects_stay
from ercfw.system.signals import Stopped
from ercfw.system.user_folders import expand_home
from ercfw.system.version import VERSION

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from rich.console import Console

    from ercfw.experiment.plan import Job, Selection
    from ercfw.recipe.recipe_file import RecipeFile
    from ercfw.registry.trust import PluginFiles
    from ercfw.system.terminal import Terminal

BASE = "base"

PIPE_WIDTH = 120

HOME = re.compile(r"((?:--)?[\w.-]+=)?(~.*)", re.DOTALL)
"""A word that is a path in the home folder, or gives one to an option or a setting: ``--out=~/runs``."""


class CommandLine(TyperGroup):
    """The verbs; their words may name the home folder where the shell does not expand it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words of the command line; ``ctx`` is of click, which new versions of typer contain."""
        return super().parse_args(ctx, [_with_home(word) for word in args])


def _with_home(word: str) -> str:
    found = HOME.fullmatch(word)
    return word if found is None else (found[1] or "") + expand_home(found[2])


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"ercfw {VERSION}")
        raise typer.Exit


app = typer.Typer(
    name="ercfw",
    cls=CommandLine,
    help="Train and compare models for multimodal emotion recognition in conversations.",
    epilog="Plugins may add verbs; 'ercfw plugins' lists what is installed.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def main_options(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Train and compare models for multimodal emotion recognition in conversations."""


RecipeName = Annotated[str, typer.Argument(help="A recipe file, or the name of a shipped recipe.", metavar="RECIPE")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(help="Settings, such as train.lr=3e-4 fusion.use=concat.", metavar="[KEY=VALUE]..."),
]
Variants = Annotated[list[str] | None, typer.Option("--variant", help="A variant's name, or 'all'; repeatable.")]
Dropped = Annotated[list[str] | None, typer.Option("--drop", help="A table or key to remove; repeatable.")]
Name = Annotated[
    str | None, typer.Option("--name", help="A name for the settings that are given here, and for the runs' folder.")
]
Trust = Annotated[
    bool | None,
    typer.Option(
        "--trust/--no-plugin-files",
        help="Trust the plugin files that are named, now and later; or refuse all. Unless set, only trusted ones run.",
        show_default=False,
    ),
]
MaxRuns = Annotated[int, typer.Option(min=1, help="Refuse to start more runs than this, as a large grid has.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Quote = Annotated[
    bool, typer.Option("--quote", help="Also scores that papers report under another protocol, below the runs.")
]


def first_process() -> bool:
    """Return whether this is the first of torchrun's processes, the one that prints."""
    return os.environ.get("RANK", "0") == "0"


@contextmanager
def interruptible(terminal: "Terminal", hint: str) -> "Iterator[None]":
    """End the command with exit code 1 on Ctrl-C or SIGTERM; ``hint`` says what is kept and how to resume."""
    try:
        yield
    except (KeyboardInterrupt, Stopped):
        terminal.info(f"stopped; {hint}" if hint else "stopped")
        raise typer.Exit(1) from None


def results_console() -> "Console":
    """Return the console for tables: as wide as the terminal, or a fixed width in a pipe."""
    from rich.console import Console

    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)


def select(
    recipe: str,
    overrides: list[str] | None,
    variants: list[str] | None,
    dropped: list[str] | None,
    seeds: str | None,
    trust: bool | None,
    cross_fit: int = 0,
    name: str | None = None,
) -> "tuple[RecipeFile, Selection]":
    """Read the recipe and the selection of variants, seeds and settings; ``name`` makes variants of the settings.

    Raises:
        InputError: there is no such recipe, or an argument is malformed.
    """
    from ercfw.experiment.arguments import choose_seeds, make_selection, open_recipe, under_name

    source = open_recipe(recipe)
    chosen_seeds = choose_seeds(_seeds(seeds), source.tables.get("seeds"), "--seeds", "--seeds {},", "such as 5 or 1,7")
    selection = make_selection(
        source,
        overrides or [],
        variants=variants or BASE,
        seeds=chosen_seeds,
        drop=dropped or [],
        plugin_files=plugin_policy(trust),
        cross_fit=cross_fit,
    )
    return under_name(source, selection, name)


def plugin_policy(trust: bool | None) -> "PluginFiles":
    """Return what ``--trust``, ``--no-plugin-files`` or neither of them means."""
    from ercfw.registry.trust import PluginFiles

    if trust is None:
        return PluginFiles.TRUSTED
    return PluginFiles.TRUST if trust else PluginFiles.REFUSE


def plan(source: "RecipeFile", selection: "Selection") -> "list[Job]":
    """Plan the jobs of a selection, and name every plugin file that was executed for it.

    Raises:
        InputError: the recipe or a setting is wrong; the message lists every mistake.
    """
    if first_process():
        show_outside(source.path.parent, lambda line: print(line, file=sys.stderr))
    with objects_stay():
        from ercfw.experiment.plan import plan_jobs

        jobs = plan_jobs(source, selection)
    show_plugins(jobs)
    return jobs


def plan_one(source: "RecipeFile", selection: "Selection") -> "Job":
    """Plan the job of a single variant, and name every plugin file that was executed for it.

    Raises:
        InputError: several variants are selected, or the recipe or a setting is wrong.
    """
    from ercfw.experiment.plan import plan_job

    job = plan_job(source, selection)
    show_plugins([job])
    return job


def show_warnings(warnings: Iterable[str]) -> None:
    """Print each warning once, on stderr and by the first process only."""
    for warning in dict.fromkeys(warnings) if first_process() else ():
        print(f"warning: {shown(warning, LONGEST_HINT)}", file=sys.stderr)


def show_executed(files: "Iterable[Path]", warnings: Iterable[str]) -> None:
    """Name every plugin file that was executed, and show the warnings of all plugins."""
    for path in sorted(set(files)) if first_process() else ():
        print(f"ran plugin file {path}", file=sys.stderr)
    show_warnings(warnings)


def show_plugins(jobs: "Sequence[Job]") -> None:
    """Name the plugin files that were executed for these jobs, and show the warnings of all plugins."""
    files = [path for job in jobs for path in job.plugin_files]
    show_executed(files, [warning for job in jobs for warning in job.catalog.warnings])


def show_outside(folder: "Path", show: Callable[[str], None]) -> None:
    """Name what a run's recipe leads to outside the run's folder, before a command reads it."""
    from ercfw.recipe.recipe_file import read_toml
    from ercfw.results.outside_paths import outside_paths
    from ercfw.results.run_files import RunFiles
    from ercfw.system.files import is_file

    files = RunFiles(folder)
    if not (is_file(files.key) and is_file(files.recipe)):
        return
    for named in outside_paths(read_toml(files.recipe).tables, folder):
        show(f"outside {shown(str(folder))}, its recipe names {shown(named)}")


def _seeds(text: str | None) -> int | list[int] | None:
    """Read ``5``, a number of seeds, or ``1,7`` and ``7,``, a list of them."""
    if text is None:
        return None
    words = text.removesuffix(",").split(",")
    if not all(re.fullmatch(r"\s*[0-9]{1,10}\s*", word) for word in words):
        what = f"'{text}' is neither a number of seeds nor a list of different ones"
        raise InputError.at("--seeds", what, "such as 5 or 1,7")
    numbers = [int(word) for word in words]
    return numbers if "," in text else numbers[0]
