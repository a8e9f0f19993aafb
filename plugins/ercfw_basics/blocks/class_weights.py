"""The weight of each class in a loss."""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor

from ercfw import InputError, TargetSpec

ClassWeights = Literal["none", "balanced"] | list[Annotated[float, Field(ge=0)]]
"""``none``; ``balanced`` by the training split; or one number per class, in the order of the classes."""


def class_weights(option: ClassWeights, spec: TargetSpec) -> Tensor | None:
    """Return the class weights ``[C]`` float32, or None if all classes count alike.

    ``balanced`` is N / (C n_c), where N is the number of labelled training utterances and n_c is the number of those of
    class c. A class without training utterances gets 0, because there is nothing to balance.

    Raises:
        InputError: if a list has another length than the classes, or contains only zeros.
    """
    if option == "none":
        return None
    if option == "balanced":
        counts = torch.tensor(spec.counts, dtype=torch.float32)  # [C]
        return torch.where(counts > 0, counts.sum() / (len(counts) * counts), 0.0)  # [C]
    in_order = f"give one number for each of {', '.join(spec.classes)}"
    if len(option) != len(spec.classes):
        raise InputError.at("class_weights", f"has {len(option)} numbers for {len(spec.classes)} classes", in_order)
    weights = torch.tensor(option, dtype=torch.float32)  # [C]
    if not weights.any():
        raise InputError.at("class_weights", "contains only zeros, so nothing would be learnt", in_order)
    return weights


def weighted_mean(losses: Tensor, weights: Tensor) -> Tensor:
    """Return the sum of ``losses`` ``[N]`` over the sum of ``weights`` ``[N]``: ``[]``; 0 if the weights sum to 0.

    The losses must already be multiplied by their weights.
    """
    total = weights.sum()  # []
    return losses.sum() * torch.where(total > 0, total.reciprocal(), 0.0)  # []
