"""A loss that compares embeddings with those of teachers."""

import torch
from torch import Tensor, nn

from ercfw import DataInfo, InputError, Loss, Outputs, Widths, labelled
from ercfw_basics.blocks.class_weights import weighted_mean
from ercfw_basics.blocks.products import Linear


class FeatureDistillation(Loss):
    """Squared distance of projected embeddings from those of the teachers (FitNets: Romero et al., ICLR 2015).

    The student's embedding s has another width than the embedding t_r of run r of ``[teacher]``. So a linear map of the
    loss, trained with it, projects s first. With E_r the width of t_r and R the number of runs::

        loss = 1/R sum_r 1/E_r || W_r s + b_r - t_r ||^2

    It is averaged over labelled rows. The paper's equation 3 has the factor 1/2 in place of 1/E_r, and a hidden layer
    in place of the embedding.

    Raises:
        InputError: a run does not predict the target.
    """

    serves = ("classes", "regression", "multilabel", "soft-classes", "soft-multilabel")
    requires = ("teacher.embedding",)

    def __init__(self, target: str, info: DataInfo, widths: Widths) -> None:
        super().__init__(target, info)
        for run, of_run in widths.teachers.items():
            if target not in of_run.embeddings:
                hint = "name only runs of this target in [teacher]"
                raise InputError.at("target", f"{run} does not predict '{target}'", hint)
        self.project = nn.ModuleList(
            Linear(widths.embedding, of_run.embeddings[target]) for of_run in widths.teachers.values()
        )

    def forward(self, outputs: Outputs, targets: dict[str, Tensor]) -> Tensor:
        """Return the loss ``[]``; 0 if nothing is labelled."""
        embedding = outputs.heads[self.target].embedding  # [N, E]
        here = labelled(targets, self.target)  # [N]
        found = []
        for project, teacher in zip(self.project, outputs.teachers.values(), strict=True):
            wanted = teacher.embeddings[self.target]  # [N, E_r]
            given = project(embedding.to(next(project.parameters()).dtype))  # [N, E_r]
            apart = (given - wanted).square().mean(-1)  # [N]
            found.append(weighted_mean(here * apart, here.to(apart.dtype)))
        return torch.stack(found).mean()  # []
