"""A loss that compares predictions with those of a teacher."""

from typing import Annotated

from pydantic import Field
from torch import Tensor

from ercfw import DataInfo, Loss, Outputs, labelled
from ercfw_basics.blocks.class_weights import weighted_mean


class Distillation(Loss):
    """Divergence from the teacher's predictions: T^2 KL(softmax(t / T) || softmax(s / T)) (Hinton et al., 2015).

    t and s are the logits of the teacher (``[teacher]``) and of the student. The loss is averaged over labelled rows.
    The factor T^2 keeps its gradients as large as those of cross-entropy for any T.

    Options:
        temperature: T; above 1 the teacher's less probable classes count more.
    """

    requires = ("teacher",)

    def __init__(
        self, target: str, info: DataInfo, *, temperature: Annotated[float, Field(gt=0, le=1000)] = 2.0
    ) -> None:
        super().__init__(target, info)
        self.temperature = temperature

    def forward(self, outputs: Outputs, targets: dict[str, Tensor]) -> Tensor:
        """Return the loss ``[]``; 0 if nothing is labelled."""
        head = outputs.heads[self.target]
        assert head.teacher is not None
        wanted = (head.teacher.float() / self.temperature).log_softmax(-1)  # [N, C]
        given = (head.logits.float() / self.temperature).log_softmax(-1)  # [N, C]
        apart = self.temperature**2 * (wanted.exp() * (wanted - given)).sum(-1)  # [N]
        here = labelled(targets, self.target).float()  # [N]
        return weighted_mean(here * apart, here)  # []
