"""Build the losses of a recipe and weight them."""

from collections.abc import Mapping

import torch
from torch import nn

from ercfw.contract.batch import Outputs
from ercfw.contract.data_info import DataInfo
from ercfw.contract.interfaces import Loss
from ercfw.recipe.queries import loss_weights
from ercfw.recipe.schema import Recipe
from ercfw.registry.make import make_part
from ercfw.registry.resolve import ResolvedPart


class WeightedLosses(nn.Module):
    """The losses of a recipe and their weights."""

    def __init__(self, losses: Mapping[str, Loss], weights: Mapping[str, float]) -> None:
        super().__init__()
        self.losses = nn.ModuleDict(dict(losses))
        self.weights = dict(weights)

    def forward(self, outputs: Outputs, targets: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Return each weighted loss; training minimises their sum."""
        return {name: self.weights[name] * loss(outputs, targets) for name, loss in self.losses.items()}


def build_losses(recipe: Recipe, losses: Mapping[str, ResolvedPart[Loss]], info: DataInfo) -> WeightedLosses:
    """Build the losses of a recipe; a loss that names no target gets the target of the first head.

    Raises:
        InputError: an option is wrong.
        RunError: the code of a loss failed.
    """
    first = next(iter(recipe.head or info.targets))
    made = {name: make_part(loss, recipe.loss[name].target or first, info) for name, loss in losses.items()}
    return WeightedLosses(made, loss_weights(recipe))
