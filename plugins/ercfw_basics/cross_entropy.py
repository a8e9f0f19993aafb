"""Losses on logits: cross-entropy and focal loss."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from ercfw import UNLABELLED, DataInfo, Loss, Outputs, labelled
from ercfw_basics.blocks.agreement import check_agreement, weigh_by_agreement
from ercfw_basics.blocks.class_weights import ClassWeights, class_weights, weighted_mean


class WeighedLoss(Loss):
    """Base of the losses that weight each row by its class."""

    weights: Tensor | None

    def __init__(self, target: str, info: DataInfo, option: ClassWeights) -> None:
        super().__init__(target, info)
        self.register_buffer("weights", class_weights(option, info.targets[target]))

    def row_weights(self, targets: dict[str, Tensor]) -> Tensor:
        """Return the weight of each row, ``[N]`` float32: the weight of its class, or 0 if it is unlabelled."""
        here = labelled(targets, self.target).float()  # [N]
        if self.weights is None:
            return here
        return here * self.weights[targets[self.target].clamp_min(0)]  # [N]


class CrossEntropy(WeighedLoss):
    """Cross-entropy, averaged over labelled rows; with class weights, the weighted mean.

    Label smoothing by s gives the label a target of 1 - s, and adds s / C to the target of every class (Szegedy et al.,
    2016, section 7). The values equal those of ``torch.nn.functional.cross_entropy``.

    Options:
        class_weights: ``none``; ``balanced``, which is N / (C n_c) of the training split; or one number per class, in
            the order of the classes.
        smoothing: s, the share of the label that is spread over all classes.
        by_agreement: whether the share of annotators who agreed weights each row.

    Raises:
        InputError: if there is not one class weight per class, or all are zero; or the data does not tell which share
            of annotators agreed.
    """

    def __init__(
        self,
        target: str,
        info: DataInfo,
        *,
        class_weights: ClassWeights = "none",
        smoothing: Annotated[float, Field(ge=0, le=1)] = 0.0,
        by_agreement: bool | None = None,  # a default of False would change the hash of every recipe with this loss
    ) -> None:
        super().__init__(target, info, class_weights)
        self.smoothing, self.by_agreement = smoothing, bool(by_agreement)
        check_agreement(self.by_agreement, target, info)

    def forward(self, outputs: Outputs, targets: dict[str, Tensor]) -> Tensor:
        """Return the loss ``[]``; 0 if nothing is labelled."""
        losses = F.cross_entropy(
            outputs.heads[self.target].logits.float(),
            targets[self.target],
            self.weights,
            ignore_index=UNLABELLED,
            reduction="none",
            label_smoothing=self.smoothing,
        )  # [N]
        head, weights = outputs.heads[self.target], self.row_weights(targets)  # [N]
        losses = weigh_by_agreement(losses, head, self.by_agreement)  # [N]
        return weighted_mean(losses, weigh_by_agreement(weights, head, self.by_agreement))  # []


class AuxiliaryCrossEntropy(WeighedLoss):
    """Sum of the cross-entropies of the head's auxiliary predictions (deep supervision: Lee et al., 2015).

    Each cross-entropy is averaged over labelled rows; with class weights, it is the weighted mean.

    Options:
        class_weights: ``none``; ``balanced``, which is N / (C n_c) of the training split; or one number per class, in
            the order of the classes.

    Raises:
        InputError: if there is not one class weight per class, or all are zero.
    """

    requires = ("auxiliary",)

    def __init__(self, target: str, info: DataInfo, *, class_weights: ClassWeights = "none") -> None:
        super().__init__(target, info, class_weights)

    def forward(self, outputs: Outputs, targets: dict[str, Tensor]) -> Tensor:
        """Return the loss ``[]``; 0 if nothing is labelled."""
        logits = outputs.heads[self.target].auxiliary
        assert logits is not None
        label = targets[self.target].clamp_min(0).view(-1, 1, 1).expand(-1, logits.shape[1], 1)  # [N, K, 1]
        losses = -logits.float().log_softmax(-1).gather(-1, label).flatten(1).sum(-1)  # [N]
        weights = self.row_weights(targets)  # [N]
        return weighted_mean(weights * losses, weights)  # []


class Focal(WeighedLoss):
    """Cross-entropy that gives easy rows less weight: -(1 - p)^gamma log p (Lin et al., 2017, equation 4).

    p is the probability of the label. The loss is averaged over labelled rows; with class weights (the paper's alpha),
    it is the weighted mean.

    Options:
        gamma: focusing parameter; 0 gives cross-entropy.
        class_weights: ``none``; ``balanced``, which is N / (C n_c) of the training split; or one number per class, in
            the order of the classes.

    Raises:
        InputError: if there is not one class weight per class, or all are zero.
    """

    def __init__(
        self,
        target: str,
        info: DataInfo,
        *,
        gamma: Annotated[float, Field(ge=0)] = 2.0,
        class_weights: ClassWeights = "none",
    ) -> None:
        super().__init__(target, info, class_weights)
        self.gamma = gamma

    def forward(self, outputs: Outputs, targets: dict[str, Tensor]) -> Tensor:
        """Return the loss ``[]``; 0 if nothing is labelled."""
        log_p = outputs.heads[self.target].logits.float().log_softmax(-1)  # [N, C]
        label = targets[self.target].clamp_min(0).unsqueeze(-1)  # [N, 1]
        log_p = log_p.gather(-1, label).squeeze(-1)  # [N]
        # Kept above 0, where the power has no finite gradient for a gamma below 1.
        missed = (-torch.expm1(log_p)).clamp_min(torch.finfo(log_p.dtype).tiny)  # [N]
        weights = self.row_weights(targets)  # [N]
        return weighted_mean(-weights * missed**self.gamma * log_p, weights)  # []
