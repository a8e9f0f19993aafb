"""Check the parts that a recipe names, and write out their defaults."""

import re
from collections.abc import Iterable
from typing import Any

from torch import nn

from ercfw.errors import InputError, Mistake, did_you_mean
from ercfw.recipe.queries import parts_of, selected_metric
from ercfw.recipe.schema import Recipe
from ercfw.recipe.toml import Tables
from ercfw.registry.catalog import Catalog
from ercfw.registry.options import read_options, written_options

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def check_parts(recipe: Recipe, catalog: Catalog, where: str) -> list[Mistake]:
    """Return the mistakes: names that no plugin offers, invalid options of parts, metrics that do not exist."""
    mistakes: list[Mistake] = []
    for kind, table, part in parts_of(recipe):
        try:
            component = catalog.find(kind, str(part.use), f"{where}: [{table}] use")
        except InputError as error:
            mistakes += error.mistakes
            continue
        mistakes += read_options(component.factory, part.options, f"{where}: [{table}]")[1]
    mistakes += _select_mistakes(recipe, catalog, f"{where}: [train] select")
    for place, names in (
        ("[data] modalities", recipe.data.modalities),
        ("[loss]", recipe.loss),
        ("[head]", recipe.head),
    ):
        mistakes += _name_mistakes(names, f"{where}: {place}")
    return mistakes


def _name_mistakes(names: Iterable[str], where: str) -> Iterable[Mistake]:
    """Yield the names that are malformed, or that an attribute of ``nn.ModuleDict`` has already."""
    for name in names:
        if not NAME.fullmatch(name):
            yield Mistake(where, f"'{name}' is not a valid name", "at most 64 letters, digits, - and _")
        elif hasattr(nn.ModuleDict(), name):
            yield Mistake(where, f"'{name}' is a reserved name of PyTorch", "choose another name")


def _select_mistakes(recipe: Recipe, catalog: Catalog, where: str) -> Iterable[Mistake]:
    target, dot, metric = selected_metric(recipe).partition(".")
    if not dot:
        yield Mistake(where, f"'{target}' is not of the form TARGET.METRIC", "such as emotion.weighted-f1")
        return
    if metric not in catalog.names("metric"):
        yield Mistake(where, f"there is no metric named '{metric}'", did_you_mean(metric, catalog.names("metric")))
    if recipe.head and target not in recipe.head:
        yield Mistake(where, f"no head is named '{target}'", did_you_mean(target, recipe.head))


def resolved_tables(recipe: Recipe, catalog: Catalog) -> Tables:
    """Return the recipe with all defaults written out, also those of parts, without ``[run]`` and ``[tune]``."""
    tables = recipe.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"variant", "run", "tune"})
    for kind, table, part in parts_of(recipe):
        factory = catalog.find(kind, str(part.use), table).factory
        place: Any = tables
        for key in table.split(".", 1):
            place = place[key]
        place.update(written_options(factory, part.options))
    tables["train"]["select"] = selected_metric(recipe)
    return {key: value for key, value in tables.items() if value not in ({}, [])}
