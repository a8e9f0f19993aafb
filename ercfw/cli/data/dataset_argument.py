"""The dataset that a command names: a recipe's, or one by its own name."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ercfw.cli.app import plan_one, select
from ercfw.cli.named_plugins import load_named

if TYPE_CHECKING:
    from ercfw.contract.interfaces import Dataset, Extractor
    from ercfw.registry.resolve import ResolvedPart

What = Annotated[str, typer.Argument(help="A recipe, or a dataset's name such as meld.", metavar="WHAT")]
DataSettings = Annotated[
    list[str] | None, typer.Argument(help="Settings, such as data.root=data/meld.", metavar="[KEY=VALUE]...")
]


@dataclass(frozen=True)
class Chosen:
    """What a command names.

    Attributes:
        dataset: the dataset.
        warnings: the warnings of reading it.
        extractors: the extractors of the recipe; empty for a dataset by its own name.
        cues: the recipe's file of cues, if it names one.
        where: the recipe's file, for messages; empty for a dataset by its own name.
    """

    dataset: "Dataset"
    warnings: tuple[str, ...]
    extractors: "Mapping[str, ResolvedPart[Extractor]]"
    cues: str | None = None
    where: str = ""


def chosen_dataset(
    what: str, overrides: list[str] | None, trust: bool | None = None, plugins: list[Path] | None = None
) -> "tuple[Dataset, tuple[str, ...]]":
    """Return the dataset of a recipe or of this name, and the warnings of reading it.

    Raises:
        InputError: there is no such recipe or dataset, or its settings are wrong.
    """
    chosen = chosen_data(what, overrides, trust, plugins)
    return chosen.dataset, chosen.warnings


def chosen_data(
    what: str, overrides: list[str] | None, trust: bool | None = None, plugins: list[Path] | None = None
) -> Chosen:
    """Return the dataset of a recipe or of this name, with the recipe's extractors.

    Raises:
        InputError: there is no such recipe or dataset, its settings are wrong, or a plugin file is broken.
    """
    from ercfw.data.load import read_dataset
    from ercfw.errors import InputError, did_you_mean, in_recipe
    from ercfw.recipe.overrides import parse_overrides
    from ercfw.recipe.part_table import Part
    from ercfw.registry.resolve import resolve_part
    from ercfw.system.files import is_folder

    catalog = load_named(plugins)
    if what not in catalog.names("dataset"):
        if is_folder(Path(what)):
            raise InputError.at(what, "is a folder", f"name its dataset first: meld data.root={what}")
        if plugins:
            known = did_you_mean(what, catalog.names("dataset"), "a recipe names its plugin files itself")
            raise InputError.at("--plugin", f"'{what}' is not the name of a dataset", known)
        job = plan_one(*select(what, overrides, None, None, None, trust))
        with in_recipe(job.where):
            return Chosen(*read_dataset(job.parts.dataset), job.parts.extractors, job.recipe.data.cues, job.where)
    tables = parse_overrides(overrides or [])
    if set(tables) - {"data"} or not isinstance(tables.get("data", {}), dict):
        raise InputError.at(
            f"override '{overrides[0]}'" if overrides else "",
            "a dataset has settings of [data] only",
            "data.root=data/meld",
        )
    part = Part(**{"use": what, **tables.get("data", {})})
    return Chosen(*read_dataset(resolve_part(catalog, "dataset", "data", part)), {})
