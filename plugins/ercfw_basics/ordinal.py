"""Classes that have an order: a loss of cumulative probabilities, and the head of cumulative links."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ercfw import DataInfo, Head, HeadOutput, Inputs, Loss, Outputs, Rate, labelled
from ercfw_basics.blocks.class_weights import weighted_mean
from ercfw_basics.blocks.products import Linear


class Ordinal(Loss):
    """Binary cross-entropy of "the class is above k" for each k, so that a class farther away costs more.

    The probability of "above k" is the sum of the probabilities of the classes after k, in the order of the target's
    classes: -sum_k [y > k] log P(above k) + [y <= k] log P(not above k), averaged over labelled rows. It fits any head;
    with the head ``ordinal``, the probabilities are those of cumulative links.
    """

    def forward(self, outputs: Outputs, targets: dict[str, Tensor]) -> Tensor:
        """Return the loss ``[]``; 0 if nothing is labelled."""
        logs = outputs.heads[self.target].logits.float().log_softmax(-1)  # [N, C]
        not_above = logs.logcumsumexp(-1)[:, :-1]  # [N, C - 1]
        above = logs.flip(-1).logcumsumexp(-1).flip(-1)[:, 1:]  # [N, C - 1]
        here = labelled(targets, self.target)  # [N]
        limits = torch.arange(logs.shape[1] - 1, device=logs.device)  # [C - 1]
        is_above = targets[self.target].unsqueeze(-1) > limits  # [N, C - 1]
        losses = -torch.where(is_above, above, not_above).sum(-1)  # [N]
        return weighted_mean(here * losses, here.to(logs.dtype))  # []


class OrdinalHead(Head):
    """The cumulative link model (McCullagh, 1980): one score per utterance, and a limit between each two classes.

    The probability of a class above k is sigmoid(s - l_k), where s is a linear map of the input and the limits l
    increase. The logits are the logarithms of the classes' probabilities; with cross-entropy, the loss is the model's
    likelihood.

    Options:
        dropout: dropout rate on the input of the map.
    """

    causal = True

    def __init__(self, dim: int, target: str, info: DataInfo, *, dropout: Rate = 0.0) -> None:
        super().__init__(dim, target, info)
        classes = len(info.targets[target].classes)
        self.dropout = nn.Dropout(dropout)
        self.score = Linear(dim, 1, bias=False)
        self.first = nn.Parameter(torch.tensor(-(classes - 2) / 2))
        # softplus makes the distances between limits positive; they are 1 at the start.
        self.distances = nn.Parameter(torch.full((max(classes - 2, 0),), float(torch.tensor(1.0).expm1().log())))

    def forward(self, x: Tensor, inputs: Inputs) -> HeadOutput:
        """Return the logits ``[N, C]`` and the embedding ``[N, D]`` of ``x`` ``[N, D]``."""
        embedding = self.dropout(x)  # [N, D]
        steps = F.softplus(self.distances).cumsum(0)  # [C - 2]
        limits = self.first + torch.cat([steps.new_zeros(1), steps])  # [C - 1]
        beyond = self.score(embedding).float() - limits  # [N, C - 1]
        above, below = F.logsigmoid(beyond), F.logsigmoid(-beyond)  # [N, C - 1]
        # log P(c) = log(P(above c-1) - P(above c)); the two are s(a) and s(b) with a > b.
        middle = _log_difference(beyond[:, :-1], beyond[:, 1:])  # [N, C - 2]
        return HeadOutput(torch.cat([below[:, :1], middle, above[:, -1:]], -1), embedding)


def _log_difference(a: Tensor, b: Tensor) -> Tensor:
    """Return log(sigmoid(a) - sigmoid(b)) for a > b: log s(a) + log s(-b) + log(1 - e^(b - a))."""
    return F.logsigmoid(a) + F.logsigmoid(-b) + torch.log(-torch.expm1(b - a))
