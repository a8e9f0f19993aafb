"""How much each class counts in a loss."""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from ercfw import InputError, TargetSpec

ClassWeights = Literal["none", "balanced"] | list[Annotated[float, Field(ge=0)]]
"""``none``; ``balanced`` by the training split; or a number a class, in the order of the classes."""


def class_weights(option: ClassWeights, spec: TargetSpec) -> Tensor | None:
    """``[C]`` float32, or None where all classes count alike.

    ``balanced`` is N / (C n_c), with N and n_c the training utterances of all and of this class; a class
    that has none gets 0, for there is nothing to balance.

    Raises:
        InputError: a list of another length than the classes, or of zeros only.
    """
    if option == "none":
        return None
    if option == "balanced":
        counts = torch.tensor(spec.counts, dtype=torch.float32)  # [C]
        return torch.where(counts > 0, counts.sum() / (len(counts) * counts), 0.0)  # [C]
    in_order = f"give one each for {', '.join(spec.classes)}"
    if len(option) != len(spec.classes):
        raise InputError.at("class_weights", f"holds {len(option)} numbers for {len(spec.classes)} classes", in_order)
    weights = torch.tensor(option, dtype=torch.float32)  # [C]
    if not weights.any():
        raise InputError.at("class_weights", "holds zeros only, so nothing would be learnt", in_order)
    return weights


def weighted_mean(losses: Tensor, weights: Tensor) -> Tensor:
    """``[N], [N] -> []``: the sum of the losses over the sum of the weights; 0 where that is 0.

    The losses bear their weights already.
    """
    total = weights.sum()  # []
    return losses.sum() * torch.where(total > 0, total.reciprocal(), 0.0)  # []
