"""Losses of the logits: cross-entropy and focal."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from ercfw import UNLABELLED, DataInfo, Loss, Outputs, labelled
from ercfw_basics.blocks.class_weights import ClassWeights, class_weights, weighted_mean


class WeighedLoss(Loss):
    """What both share: the weight of each row, which is that of its class."""

    weights: Tensor | None

    def __init__(self, target: str, info: DataInfo, option: ClassWeights) -> None:
        super().__init__(target, info)
        self.register_buffer("weights", class_weights(option, info.targets[target]))

    def row_weights(self, targets: dict[str, Tensor]) -> Tensor:
        """``[N]`` float32: 0 where there is no label, else the weight of the class."""
        here = labelled(targets, self.target).float()  # [N]
        if self.weights is None:
            return here
        return here * self.weights[targets[self.target].clamp_min(0)]  # [N]


class CrossEntropy(WeighedLoss):
    """Cross-entropy, the mean over labelled rows; with class weights, the mean weighted by them.

    Smoothing by s aims at 1 - s for the label and s / C more for each class (Szegedy et al., 2016,
    section 7). The numbers are those of ``torch.nn.functional.cross_entropy``.

    Options:
        class_weights: ``none``; ``balanced``, that is N / (C n_c) of the training split; or one number
            a class, in the order of the classes.
        smoothing: s, the share of the label that is spread over all classes.

    Raises:
        InputError: the class weights are not one a class, or all zero.
    """

    def __init__(
        self,
        target: str,
        info: DataInfo,
        *,
        class_weights: ClassWeights = "none",
        smoothing: Annotated[float, Field(ge=0, le=1)] = 0.0,
    ) -> None:
        super().__init__(target, info, class_weights)
        self.smoothing = smoothing

    def forward(self, outputs: Outputs, targets: dict[str, Tensor]) -> Tensor:
        """``[]``."""
        losses = F.cross_entropy(
            outputs.heads[self.target].logits.float(),
            targets[self.target],
            self.weights,
            ignore_index=UNLABELLED,
            reduction="none",
            label_smoothing=self.smoothing,
        )  # [N]
        return weighted_mean(losses, self.row_weights(targets))  # []


class AuxiliaryCrossEntropy(WeighedLoss):
    """Cross-entropy of each of the head's auxiliary answers, added up (deep supervision: Lee et al., 2015).

    Each is the mean over labelled rows; with class weights, the mean weighted by them.

    Options:
        class_weights: ``none``; ``balanced``, that is N / (C n_c) of the training split; or one number
            a class, in the order of the classes.

    Raises:
        InputError: the class weights are not one a class, or all zero.
    """

    requires = ("auxiliary",)

    def __init__(self, target: str, info: DataInfo, *, class_weights: ClassWeights = "none") -> None:
        super().__init__(target, info, class_weights)

    def forward(self, outputs: Outputs, targets: dict[str, Tensor]) -> Tensor:
        """``[]``."""
        logits = outputs.heads[self.target].auxiliary
        assert logits is not None
        label = targets[self.target].clamp_min(0).view(-1, 1, 1).expand(-1, logits.shape[1], 1)  # [N, K, 1]
        losses = -logits.float().log_softmax(-1).gather(-1, label).flatten(1).sum(-1)  # [N]
        weights = self.row_weights(targets)  # [N]
        return weighted_mean(weights * losses, weights)  # []


class Focal(WeighedLoss):
    """Cross-entropy that looks away from what is easy: -(1 - p)^gamma log p (Lin et al., 2017, equation 4).

    p is the probability of the label. The mean over labelled rows; with class weights (the paper's
    alpha), the mean weighted by them.

    Options:
        gamma: focus; 0 is cross-entropy.
        class_weights: ``none``; ``balanced``, that is N / (C n_c) of the training split; or one number
            a class, in the order of the classes.

    Raises:
        InputError: the class weights are not one a class, or all zero.
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
        """``[]``."""
        log_p = outputs.heads[self.target].logits.float().log_softmax(-1)  # [N, C]
        label = targets[self.target].clamp_min(0).unsqueeze(-1)  # [N, 1]
        log_p = log_p.gather(-1, label).squeeze(-1)  # [N]
        # Away from 0, where the power has no finite gradient for a gamma below 1.
        missed = (-torch.expm1(log_p)).clamp_min(torch.finfo(log_p.dtype).tiny)  # [N]
        weights = self.row_weights(targets)  # [N]
        return weighted_mean(-weights * missed**self.gamma * log_p, weights)  # []
