"""The command line's application, and the words that several verbs take."""

import os
import re
import sys
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from ercfw.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ercfw.experiment.plan import Job

BASE = "base"

PIPE_WIDTH = 120

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


def first_process() -> bool:
    """Whether this is the one that speaks, of several that torchrun started."""
    return os.environ.get("RANK", "0") == "0"


def results_console() -> Console:
    """Where tables are printed: as wide as the terminal, or as a pipe bears."""
    return Console(width=None if sys.stdout.isatty() else PIPE_WIDTH)


def plan(
    recipe: str,
    overrides: list[str] | None,
    variants: list[str] | None,
    dropped: list[str] | None,
    seeds: str | None,
    no_plugin_files: bool,
    cross_fit: int = 0,
) -> "list[Job]":
    """What the words of a command ask for, checked.

    Raises:
        InputError: all that is wrong with the recipe and the settings.
    """
    from ercfw.experiment.arguments import choose_seeds, make_selection, open_recipe

    source = open_recipe(recipe)
    chosen_seeds = choose_seeds(_seeds(seeds), source.tables.get("seeds"), "--seeds", "--seeds {},", "5 or 1,7")
    selection = make_selection(
        source,
        overrides or [],
        variants=variants or BASE,
        seeds=chosen_seeds,
        drop=dropped or [],
        plugin_files=not no_plugin_files,
        cross_fit=cross_fit,
    )
    from ercfw.experiment.plan import plan_jobs

    jobs = plan_jobs(source, selection)
    show_plugin_files(jobs)
    return jobs


def show_plugin_files(jobs: "Sequence[Job]") -> None:
    """Name every plugin file that was executed."""
    for path in sorted({path for job in jobs for path in job.plugin_files}) if first_process() else ():
        print(f"ran plugin file {path}", file=sys.stderr)


def _seeds(text: str | None) -> int | list[int] | None:
    """Read ``5``, a number of seeds, or ``1,7`` and ``7,``, a list of them."""
    if text is None:
        return None
    words = text.removesuffix(",").split(",")
    if not all(re.fullmatch(r"\s*[0-9]{1,10}\s*", word) for word in words):
        what = f"'{text}' is neither a number of seeds nor a list of different ones"
        raise InputError.at("--seeds", what, "5 or 1,7")
    numbers = [int(word) for word in words]
    return numbers if "," in text else numbers[0]
