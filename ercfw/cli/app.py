"""The command line's application, and the words that several verbs take."""

import os
import re
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from ercfw.errors import LONGEST_HINT, InputError, shown

if TYPE_CHECKING:
    from ercfw.experiment.plan import Job

MOST_SEEDS = 100

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


def check_folder(option: str, folder: Path) -> None:
    """Look whether a folder can be made and written to, before hours are spent.

    Raises:
        InputError: it cannot.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise InputError.at(f"{option} {folder}", f"{there} is no folder that can be written to")


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
    from ercfw.recipe.overrides import parse_overrides
    from ercfw.recipe.recipe_file import read_toml
    from ercfw.recipe.shipped import find_recipe

    source = read_toml(find_recipe(recipe))
    chosen_seeds = _seeds(seeds, source.tables.get("seeds"))
    settings = parse_overrides(overrides or [])
    from ercfw.experiment.plan import Selection, plan_jobs

    chosen = variants or ["base"]
    choice = Selection(
        variants=source.variants if "all" in chosen else list(dict.fromkeys(chosen)),
        seeds=chosen_seeds,
        overrides=settings,
        dropped=dropped or [],
        allow_plugin_files=not no_plugin_files,
        cross_fit=cross_fit,
    )
    jobs = plan_jobs(source, choice)
    for path in sorted({path for job in jobs for path in job.plugin_files}) if first_process() else ():
        print(f"ran plugin file {path}", file=sys.stderr)
    show_warnings(warning for job in jobs for warning in job.catalog.warnings)
    return jobs


def show_warnings(warnings: Iterable[str]) -> None:
    """Print each warning once, on stderr and by the first process only."""
    for warning in dict.fromkeys(warnings) if first_process() else ():
        print(f"warning: {shown(warning, LONGEST_HINT)}", file=sys.stderr)


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
