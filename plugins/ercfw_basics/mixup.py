"""Mixup of the vectors of utterances, and the cross-entropy for both labels of a mixture."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.distributions import Gamma

from ercfw import Context, ContextOutput, DataInfo, Inputs, Outputs
from ercfw_basics.blocks.class_weights import ClassWeights, weighted_mean
from ercfw_basics.blocks.precision import at_least_float32
from ercfw_basics.cross_entropy import WeighedLoss


class Mixup(Context):
    """Mixes each utterance with another one in training (mixup: Zhang et al., ICLR 2018; Verma et al., ICML 2019).

    As a joint context, it mixes the joint vectors, as in Manifold Mixup. With x_j the vector of a partner j, drawn from
    the utterances that are computed together, perhaps of another conversation::

        x_i becomes share_i x_i + (1 - share_i) x_j,    share_i ~ Beta(alpha, alpha)

    In evaluation the vectors stay as they are. Train with the loss ``mixup-cross-entropy`` in place of
    ``cross-entropy``. It reads the extras ``share`` ``[N]`` and ``partner`` ``[N]``, the partner's row of the batch.

    Options:
        alpha: 1 draws all shares alike; above 1 equal shares are likely, below 1 unequal ones.
    """

    causal = True

    def __init__(self, dim: int, info: DataInfo, *, alpha: Annotated[float, Field(ge=0.1, le=1000)] = 1.0) -> None:
        super().__init__(dim, info)
        self.out_dim = dim
        self.alpha = alpha

    def forward(self, x: Tensor, inputs: Inputs) -> ContextOutput:
        """Compute ``[N, D] -> [N, D]``, with extras."""
        rows = inputs.layout.row  # [N]
        if not self.training:
            return ContextOutput(x, {"share": torch.ones(len(x), device=x.device), "partner": rows})
        gamma = torch.full((2, len(x)), self.alpha, device=x.device)  # [2, N]
        one, other = Gamma(gamma, torch.ones_like(gamma), validate_args=False).sample()  # [N] each
        share = one / (one + other)  # [N], of Beta(alpha, alpha)
        order = torch.randperm(len(x), device=x.device)  # [N]
        own = share.to(x.dtype).unsqueeze(-1)  # [N, 1]
        return ContextOutput(own * x + (1 - own) * x[order], {"share": share, "partner": rows[order]})


class MixupCrossEntropy(WeighedLoss):
    """Cross-entropy for both labels of a mixture, by their shares (Zhang et al., ICLR 2018).

    With the prediction p_i of a mixture of utterance i and its partner j (context ``mixup``)::

        loss_i = share_i CE(p_i, label_i) + (1 - share_i) CE(p_i, label_j)

    The result is the sum over the batch, divided by the sum of the shares whose label is known; with class weights, the
    share of a label is multiplied by the weight of its class. In evaluation nothing is mixed, and the loss is the
    cross-entropy.

    Options:
        context: the table of the context: ``joint``, or a modality.
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
        context: Annotated[str, Field(min_length=1)] = "joint",
        class_weights: ClassWeights = "none",
    ) -> None:
        super().__init__(target, info, class_weights)
        self.requires = (f"context.{context}.share", f"context.{context}.partner")

    def forward(self, outputs: Outputs, targets: dict[str, Tensor]) -> Tensor:
        """Return the loss ``[]``; 0 if nothing is labelled."""
        share, partner = (outputs.extras[name] for name in self.requires)  # [N], [N]
        log_p = at_least_float32(outputs.heads[self.target].logits).log_softmax(-1)  # [N, C]
        labels = targets[self.target].clamp_min(0)  # [N]
        of_row = self.row_weights(targets).to(log_p.dtype)  # [N]
        own, other = share * of_row, (1 - share) * of_row[partner]  # [N] each
        losses = -own * _taken(log_p, labels) - other * _taken(log_p, labels[partner])  # [N]
        return weighted_mean(losses, own + other)  # []


def _taken(log_p: Tensor, labels: Tensor) -> Tensor:
    """Return the entry of each row ``[N, C]`` that its label names: ``[N]``."""
    return log_p.gather(-1, labels.unsqueeze(-1)).squeeze(-1)
