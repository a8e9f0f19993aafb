"""A loss that pulls auxiliary predictions towards those of the head itself, in one pass."""

from typing import Annotated

from pydantic import Field
from torch import Tensor

from ercfw import DataInfo, Loss, Outputs, labelled
from ercfw_basics.blocks.class_weights import weighted_mean
from ercfw_basics.blocks.precision import at_least_float32


class SelfDistillation(Loss):
    """Divergence of the auxiliary predictions from the head's own (Zhang et al., ICCV 2019, equation 3).

    The head's prediction is the teacher of the auxiliary ones, in the same pass. With the logits z of the head and the
    logits a_k of its K auxiliary predictions::

        loss = T^2 sum_k KL(softmax(z / T) || softmax(a_k / T))

    It is averaged over labelled rows. z counts as a constant, so that only the auxiliary predictions move. SDT (Ma et
    al., 2023) uses the same divergence, without the factor T^2 and with gradients for z.

    Options:
        temperature: T; above 1 the less probable classes count more.
    """

    requires = ("auxiliary",)
    detached = ("logits",)

    def __init__(
        self, target: str, info: DataInfo, *, temperature: Annotated[float, Field(gt=0, le=1000)] = 2.0
    ) -> None:
        super().__init__(target, info)
        self.temperature = temperature

    def forward(self, outputs: Outputs, targets: dict[str, Tensor]) -> Tensor:
        """Return the loss ``[]``; 0 if nothing is labelled."""
        head = outputs.heads[self.target]
        assert head.auxiliary is not None
        wanted = (at_least_float32(head.logits.detach()) / self.temperature).log_softmax(-1).unsqueeze(1)  # [N, 1, C]
        given = (at_least_float32(head.auxiliary) / self.temperature).log_softmax(-1)  # [N, K, C]
        apart = self.temperature**2 * (wanted.exp() * (wanted - given)).flatten(1).sum(-1)  # [N]
        here = labelled(targets, self.target).to(apart.dtype)  # [N]
        return weighted_mean(here * apart, here)  # []
