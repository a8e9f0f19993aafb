"""A loss that compares the distances between utterances with those of teachers."""

import torch
from torch import Tensor
from torch.nn import functional as F

from ercfw import Loss, Outputs, labelled
from ercfw_basics.blocks.class_weights import weighted_mean
from ercfw_basics.blocks.precision import at_least_float32

SMALLEST = 1e-12
"""The smallest mean distance; where all embeddings are equal, their relative distances are 0."""


def relative_distances(z: Tensor, pairs: Tensor) -> Tensor:
    """Return the distances between rows, divided by their mean over ``pairs``: ``[N, E] -> [N, N]``."""
    apart = torch.cdist(z, z, compute_mode="donot_use_mm_for_euclid_dist")  # [N, N]
    return apart / weighted_mean((pairs * apart).flatten(), pairs.flatten()).clamp_min(SMALLEST)


class RelationDistillation(Loss):
    """Difference of the relative distances between utterances from the teachers' (RKD-D: Park et al., CVPR 2019).

    The relations of a batch are learnt, not the embeddings themselves, so widths need not agree. Let d_ij be the
    distance of the embeddings of two labelled utterances, and m its mean over all pairs i != j of the batch; of the
    student (s) and of each of R runs of ``[teacher]`` (t_r)::

        loss = 1/R sum_r mean over i != j of huber(d_ij^s / m^s - d_ij^t_r / m^t_r)
        huber(x) = x^2 / 2 if |x| <= 1, else |x| - 1/2

    These are equations 4 to 7 of the paper, with a mean in place of the sum. Memory holds a few times N^2 numbers.
    """

    serves = ("classes", "regression", "multilabel", "soft-classes", "soft-multilabel")
    requires = ("embedding", "teacher.embedding")

    def forward(self, outputs: Outputs, targets: dict[str, Tensor]) -> Tensor:
        """Return the loss ``[]``; 0 if fewer than two utterances are labelled."""
        embedding = at_least_float32(outputs.heads[self.target].embedding)  # [N, E]
        here = labelled(targets, self.target).to(embedding.dtype)  # [N]
        pairs = here.unsqueeze(0) * here.unsqueeze(1)  # [N, N]
        pairs = pairs - pairs.diag().diag()  # [N, N]
        given = relative_distances(embedding, pairs)  # [N, N]
        found = []
        for teacher in outputs.teachers.values():
            wanted = relative_distances(teacher.embeddings[self.target].to(embedding.dtype), pairs)  # [N, N]
            apart = F.smooth_l1_loss(given, wanted, reduction="none")  # [N, N]
            found.append(weighted_mean((pairs * apart).flatten(), pairs.flatten()))
        return torch.stack(found).mean()  # []
