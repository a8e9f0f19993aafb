"""Losses of numbers: squared, absolute and Huber's errors, and concordance."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ercfw import DataInfo, Loss, Outputs, labelled
from ercfw_basics.blocks.agreement import check_agreement, weigh_by_agreement
from ercfw_basics.blocks.class_weights import weighted_mean


class NumberLoss(Loss):
    """Base of the losses of numbers.

    Args:
        target: the target.
        info: the description of the data.
        standardise: whether errors are divided by the number's standard deviation over train.
        by_agreement: whether the share of annotators who agreed weights each row.

    Raises:
        InputError: the data does not tell which share of annotators agreed.
    """

    serves = ("regression",)
    deviation: Tensor

    def __init__(self, target: str, info: DataInfo, standardise: bool, by_agreement: bool) -> None:
        super().__init__(target, info)
        check_agreement(by_agreement, target, info)
        self.by_agreement = by_agreement
        spec = info.targets[target]
        unit = spec.deviation if standardise else (1.0,) * len(spec.classes)
        self.register_buffer("deviation", torch.tensor(unit))  # [C]

    def errors(self, outputs: Outputs, targets: dict[str, Tensor]) -> Tensor:
        """Return predicted minus true numbers, ``[N, C]`` float32; 0 in rows without a label."""
        predicted = outputs.heads[self.target].logits.float()  # [N, C]
        true = targets[self.target].to(predicted.dtype).nan_to_num()  # [N, C]
        here = labelled(targets, self.target).unsqueeze(-1)  # [N, 1]
        return torch.where(here, (predicted - true) / self.deviation, 0.0)  # [N, C]

    def mean(self, losses: Tensor, outputs: Outputs, targets: dict[str, Tensor]) -> Tensor:
        """Return the mean over labelled rows of ``losses`` ``[N, C]``, which are 0 in the other rows: ``[]``."""
        here = labelled(targets, self.target).to(losses.dtype)  # [N]
        weights = weigh_by_agreement(here, outputs.heads[self.target], self.by_agreement)  # [N]
        return weighted_mean(weights * losses.mean(-1), weights)  # []


class MSE(NumberLoss):
    """Mean squared error, over labelled rows and numbers.

    Options:
        standardise: whether errors are divided by the number's standard deviation over train, so that several numbers
            of different ranges count alike.
        by_agreement: whether the share of annotators who agreed weights each row.

    Raises:
        InputError: the data does not tell which share of annotators agreed.
    """

    def __init__(self, target: str, info: DataInfo, *, standardise: bool = False, by_agreement: bool = False) -> None:
        super().__init__(target, info, standardise, by_agreement)

    def forward(self, outputs: Outputs, targets: dict[str, Tensor]) -> Tensor:
        """Return the loss ``[]``; 0 if nothing is labelled."""
        return self.mean(self.errors(outputs, targets).square(), outputs, targets)  # []


class MAE(NumberLoss):
    """Mean absolute error, over labelled rows and numbers.

    Options:
        standardise: whether errors are divided by the number's standard deviation over train, so that several numbers
            of different ranges count alike.
        by_agreement: whether the share of annotators who agreed weights each row.

    Raises:
        InputError: the data does not tell which share of annotators agreed.
    """

    def __init__(self, target: str, info: DataInfo, *, standardise: bool = False, by_agreement: bool = False) -> None:
        super().__init__(target, info, standardise, by_agreement)

    def forward(self, outputs: Outputs, targets: dict[str, Tensor]) -> Tensor:
        """Return the loss ``[]``; 0 if nothing is labelled."""
        return self.mean(self.errors(outputs, targets).abs(), outputs, targets)  # []


class Huber(NumberLoss):
    """Huber's loss (1964), over labelled rows and numbers: squared for small errors, absolute for large ones.

    It is e^2 / 2 for an error e of up to delta, and delta (|e| - delta / 2) beyond.

    Options:
        delta: the error from which on the loss is linear.
        standardise: whether errors are divided by the number's standard deviation over train, so that several numbers
            of different ranges count alike.
        by_agreement: whether the share of annotators who agreed weights each row.

    Raises:
        InputError: the data does not tell which share of annotators agreed.
    """

    def __init__(
        self,
        target: str,
        info: DataInfo,
        *,
        delta: Annotated[float, Field(gt=0)] = 1.0,
        standardise: bool = False,
        by_agreement: bool = False,
    ) -> None:
        super().__init__(target, info, standardise, by_agreement)
        self.delta = delta

    def forward(self, outputs: Outputs, targets: dict[str, Tensor]) -> Tensor:
        """Return the loss ``[]``; 0 if nothing is labelled."""
        size = self.errors(outputs, targets).abs()  # [N, C]
        small = size.clamp_max(self.delta)  # [N, C]
        return self.mean(small * (size - small / 2), outputs, targets)  # []


class CCC(Loss):
    """1 minus the concordance correlation coefficient (Lin, 1989) of a batch, averaged over the numbers.

    The coefficient is 2 cov(t, p) / (var t + var p + (mean t - mean p)^2) over the labelled rows of the batch, with
    moments divided by their number. It is 0 where the denominator is 0, so batches should hold several conversations.
    """

    serves = ("regression",)

    def forward(self, outputs: Outputs, targets: dict[str, Tensor]) -> Tensor:
        """Return the loss ``[]``; 0 if nothing is labelled."""
        here = labelled(targets, self.target)  # [N]
        predicted = outputs.heads[self.target].logits.float()  # [N, C]
        weights = (here / here.sum().clamp(min=1)).to(predicted.dtype).unsqueeze(-1)  # [N, 1]
        true = targets[self.target].to(predicted.dtype).nan_to_num()  # [N, C]
        means = (weights * true).sum(0), (weights * predicted).sum(0)  # [C]
        t, p = true - means[0], predicted - means[1]  # [N, C]
        covariance = (weights * t * p).sum(0)  # [C]
        spread = (weights * (t.square() + p.square())).sum(0) + (means[0] - means[1]).square()  # [C]
        concordance = torch.where(spread > 0, 2 * covariance / torch.where(spread > 0, spread, 1.0), 0.0)  # [C]
        return (1 - concordance).mean() * here.any()  # []
