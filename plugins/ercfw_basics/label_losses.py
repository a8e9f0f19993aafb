"""Losses of several labels at once, and of shares of annotators."""

from typing import Annotated, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from ercfw import DataInfo, InputError, Loss, Outputs, labelled
from ercfw_basics.blocks.agreement import check_agreement, weigh_by_agreement
from ercfw_basics.blocks.class_weights import weighted_mean

PositiveWeights = Literal["none", "balanced"] | list[Annotated[float, Field(gt=0)]]


class BCE(Loss):
    """Binary cross-entropy of each label, averaged over labels and labelled rows; labels may be shares of annotators.

    Options:
        positive_weights: the weight of a label that is there: ``none``; ``balanced``, which is the number of training
            utterances without the label over the number with it; or one number per label, in their order.
        by_agreement: whether the share of annotators who agreed weights each row.

    Raises:
        InputError: if there is not one weight per label, or the data does not tell which share of annotators agreed.
    """

    serves = ("multilabel", "soft-multilabel")
    weights: Tensor | None

    def __init__(
        self, target: str, info: DataInfo, *, positive_weights: PositiveWeights = "none", by_agreement: bool = False
    ) -> None:
        super().__init__(target, info)
        check_agreement(by_agreement, target, info)
        self.by_agreement = by_agreement
        spec = info.targets[target]
        weights: Tensor | None = None
        if positive_weights == "balanced":
            counts = torch.tensor(spec.counts, dtype=torch.float32)  # [C]
            weights = (spec.utterances - counts) / counts.clamp(min=1)  # [C]
        elif positive_weights != "none":
            if len(positive_weights) != len(spec.classes):
                what = f"has {len(positive_weights)} numbers for {len(spec.classes)} labels"
                raise InputError.at("positive_weights", what, f"give one number for each of {', '.join(spec.classes)}")
            weights = torch.tensor(positive_weights, dtype=torch.float32)  # [C]
        self.register_buffer("weights", weights)

    def forward(self, outputs: Outputs, targets: dict[str, Tensor]) -> Tensor:
        """Return the loss ``[]``; 0 if nothing is labelled."""
        logits = outputs.heads[self.target].logits.float()  # [N, C]
        labels = targets[self.target].to(logits.dtype).nan_to_num()  # [N, C]
        losses = F.binary_cross_entropy_with_logits(logits, labels, reduction="none", pos_weight=self.weights)  # [N, C]
        here = labelled(targets, self.target).to(logits.dtype)  # [N]
        weights = weigh_by_agreement(here, outputs.heads[self.target], self.by_agreement)  # [N]
        return weighted_mean(weights * losses.mean(-1), weights)  # []


class SoftCrossEntropy(Loss):
    """Cross-entropy with the shares q of annotators: -sum_c q_c log p_c, averaged over labelled rows.

    Peterson et al. (2019) train classifiers on such shares.

    Options:
        by_agreement: whether the share of annotators who agreed weights each row.

    Raises:
        InputError: the data does not tell which share of annotators agreed.
    """

    serves = ("soft-classes",)

    def __init__(self, target: str, info: DataInfo, *, by_agreement: bool = False) -> None:
        super().__init__(target, info)
        check_agreement(by_agreement, target, info)
        self.by_agreement = by_agreement

    def forward(self, outputs: Outputs, targets: dict[str, Tensor]) -> Tensor:
        """Return the loss ``[]``; 0 if nothing is labelled."""
        logs = outputs.heads[self.target].logits.float().log_softmax(-1)  # [N, C]
        losses = -(targets[self.target].to(logs.dtype).nan_to_num() * logs).sum(-1)  # [N]
        here = labelled(targets, self.target).to(logs.dtype)  # [N]
        weights = weigh_by_agreement(here, outputs.heads[self.target], self.by_agreement)  # [N]
        return weighted_mean(weights * losses, weights)  # []
