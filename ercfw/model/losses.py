"""Build the losses of a recipe and weight them."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

import torch
from torch import nn

from ercfw.contract.batch import Outputs
from ercfw.contract.data_info import DataInfo
from ercfw.contract.interfaces import Loss
from ercfw.contract.widths import Widths
from ercfw.errors import InputError
from ercfw.recipe.queries import loss_weights
from ercfw.recipe.schema import Recipe
from ercfw.registry.make import make_part
from ercfw.registry.resolve import ResolvedPart
from ercfw.registry.wiring import positional, wired_places

OF_TEACHER = ("teacher.embedding", "teacher.views")
"""What a loss may require of a teacher beside its logits."""
SECOND_PASS = "second_pass"


class WeightedLosses(nn.Module):
    """The losses of a recipe and their weights."""

    def __init__(self, losses: Mapping[str, Loss], weights: Mapping[str, float]) -> None:
        super().__init__()
        self.losses = nn.ModuleDict(dict(losses))
        self.weights = dict(weights)

    @property
    def second_pass(self) -> bool:
        """Return whether a loss requires a second pass of the model."""
        return any(SECOND_PASS in getattr(loss, "requires", ()) for loss in self.losses.values())

    def forward(self, outputs: Outputs, targets: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return each weighted loss; training minimises their sum."""
        return {name: self.weights[name] * loss(outputs, targets) for name, loss in self.losses.items()}


def build_losses(
    recipe: Recipe,
    losses: Mapping[str, ResolvedPart[Loss]],
    info: DataInfo,
    widths: Mapping[str, Widths] = MappingProxyType({}),
) -> WeightedLosses:
    """Build the losses of a recipe; a loss that names no target gets the target of the first head.

    Args:
        recipe: the recipe.
        losses: its losses, by the names of their tables.
        info: the statistics of the data.
        widths: the widths that a loss of each target reads; needed only if ``takes_widths`` is true for a loss.

    Raises:
        InputError: an option is wrong, or the model has no head for the target of a loss that takes widths.
        RunError: the code of a loss failed.
    """
    first = next(iter(recipe.head or info.targets))
    made = {}
    for name, loss in losses.items():
        target = recipe.loss[name].target or first
        if target not in widths and takes_widths(loss.component.factory):
            hint = f"its heads are: {', '.join(widths) or 'none'}"
            raise InputError.at(f"[loss.{name}] target", f"the model returns no head for '{target}'", hint)
        made[name] = make_part(loss, target, info, widths.get(target))
    return WeightedLosses(made, loss_weights(recipe))


def takes_widths(factory: Any) -> bool:
    """Return whether the constructor of a loss's class takes ``widths``; that of the base class does not use them."""
    place = positional(Loss).index("widths")
    return factory.__init__ is not Loss.__init__ and place in wired_places(factory, Loss)


def asked_of_teachers(losses: Iterable[ResolvedPart[Loss]]) -> tuple[str, ...]:
    """Return which of ``OF_TEACHER`` the classes of these losses require."""
    required = {needed for loss in losses for needed in getattr(loss.component.factory, "requires", ())}
    return tuple(needed for needed in OF_TEACHER if needed in required)
