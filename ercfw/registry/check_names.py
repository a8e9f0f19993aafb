"""Check the names that a recipe gives and the metric that it selects by."""

import re
from collections.abc import Collection, Iterable

from torch import nn

from ercfw.errors import Mistake, did_you_mean
from ercfw.recipe.queries import selected_metric
from ercfw.recipe.schema import Recipe

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def check_names(recipe: Recipe, metrics: Collection[str]) -> list[Mistake]:
    """Return the mistakes: an unknown metric or head, and invalid names of modalities, losses and heads.

    Args:
        recipe: the recipe.
        metrics: the names of all metrics.
    """
    mistakes = list(_select_mistakes(recipe, metrics, "[train] select"))
    mistakes += _name_mistakes(recipe.data.modalities, "[data] modalities")
    mistakes += _name_mistakes(recipe.loss, "[loss]")
    mistakes += _name_mistakes(recipe.head, "[head]")
    mistakes += _name_mistakes(recipe.metric, "[metric]")
    return mistakes


def _name_mistakes(names: Iterable[str], where: str) -> Iterable[Mistake]:
    """Yield the names that are malformed, or that an attribute of ``nn.ModuleDict`` has already."""
    for name in names:
        if not NAME.fullmatch(name):
            yield Mistake(where, f"'{name}' is not a valid name", "at most 64 letters, digits, - and _")
        elif hasattr(nn.ModuleDict(), name):
            yield Mistake(where, f"'{name}' is a reserved name of PyTorch", "choose another name")


def _select_mistakes(recipe: Recipe, metrics: Collection[str], where: str) -> Iterable[Mistake]:
    target, dot, metric = selected_metric(recipe).partition(".")
    if not dot:
        yield Mistake(where, f"'{target}' is not of the form TARGET.METRIC", "such as emotion.weighted-f1")
        return
    if metric not in metrics:
        yield Mistake(where, f"there is no metric named '{metric}'", did_you_mean(metric, metrics))
    if recipe.head and target not in recipe.head:
        yield Mistake(where, f"no head is named '{target}'", did_you_mean(target, recipe.head))
