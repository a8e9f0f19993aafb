"""R-Drop: two passes with different dropout must agree."""

from typing import Annotated

from pydantic import Field
from torch import Tensor

from ercfw import DataInfo, Outputs
from ercfw_basics.blocks.class_weights import ClassWeights, weighted_mean
from ercfw_basics.blocks.precision import at_least_float32
from ercfw_basics.cross_entropy import WeighedLoss


class RDrop(WeighedLoss):
    """Cross-entropy of two passes with different dropout, and their divergence (R-Drop: Liang et al., NeurIPS 2021).

    With the predictions p and q of both passes, equation 4 of the paper is, divided by 2::

        loss = (CE(p) + CE(q)) / 2 + alpha / 4 (KL(p || q) + KL(q || p))

    It is averaged over labelled rows; with class weights, it is the weighted mean. It stands in place of
    ``cross-entropy``. The model runs twice for each step of training. In evaluation it runs once, and the loss is the
    cross-entropy.

    Options:
        alpha: weight of the divergence.
        class_weights: ``none``; ``balanced``, which is N / (C n_c) of the training split; or one number per class, in
            the order of the classes.

    Raises:
        InputError: if there is not one class weight per class, or all are zero.
    """

    requires = ("second_pass",)

    def __init__(
        self,
        target: str,
        info: DataInfo,
        *,
        alpha: Annotated[float, Field(ge=0)] = 1.0,
        class_weights: ClassWeights = "none",
    ) -> None:
        super().__init__(target, info, class_weights)
        self.alpha = alpha

    def forward(self, outputs: Outputs, targets: dict[str, Tensor]) -> Tensor:
        """Return the loss ``[]``; 0 if nothing is labelled."""
        second = outputs if outputs.second is None else outputs.second
        p = at_least_float32(outputs.heads[self.target].logits).log_softmax(-1)  # [N, C]
        q = at_least_float32(second.heads[self.target].logits).log_softmax(-1)  # [N, C]
        label = targets[self.target].clamp_min(0).unsqueeze(-1)  # [N, 1]
        both = -(p + q).gather(-1, label).squeeze(-1) / 2  # [N]
        apart = ((p.exp() - q.exp()) * (p - q)).sum(-1)  # [N], KL(p || q) + KL(q || p)
        weights = self.row_weights(targets).to(p.dtype)  # [N]
        return weighted_mean(weights * (both + self.alpha / 4 * apart), weights)  # []
