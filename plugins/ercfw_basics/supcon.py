"""Supervised contrastive loss."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ercfw import DataInfo, Loss, Outputs, labelled
from ercfw_basics.blocks.contrastive import Block, contrast
from ercfw_basics.blocks.precision import at_least_float32


def directions(z: Tensor) -> Tensor:
    """Scale rows to length 1, ``[N, E]``; a row of length 1e-6 or less has no direction and stays unchanged."""
    norm = z.norm(dim=-1, keepdim=True)  # [N, 1]
    return z / torch.where(norm > 1e-6, norm, 1.0)  # [N, E]


class SupCon(Loss):
    """Supervised contrastive loss: pulls embeddings of the same class together, others apart (Khosla et al., 2020).

    This is L_out, equation 2 of the paper. For a labelled row i, let A(i) be the other labelled rows, and P(i) those of
    them that have the class of i. With z scaled to length 1::

        s_ia = softmax over a in A(i) of (z_i . z_a / temperature)
        loss_i = -1/|P(i)| sum_{p in P(i)} log s_ip

    The loss of a row with an empty P(i) is 0. The result is the mean over labelled rows.

    Options:
        temperature: divides the similarities.
        block: rows whose pairs are held in memory at once; bounds the memory, changes no value.
    """

    requires = ("embedding",)

    def __init__(
        self,
        target: str,
        info: DataInfo,
        *,
        temperature: Annotated[float, Field(ge=1e-3)] = 0.1,
        block: Block = 1024,
    ) -> None:
        super().__init__(target, info)
        self.temperature = temperature
        self.block = block

    def forward(self, outputs: Outputs, targets: dict[str, Tensor]) -> Tensor:
        """Return the loss ``[]``; 0 if nothing is labelled."""
        z = outputs.heads[self.target].embedding  # [N, E]
        z = directions(at_least_float32(z))  # [N, E]
        known = labelled(targets, self.target)  # [N]
        mean = known.to(z.dtype) / known.sum().clamp(min=1)  # [N]
        return contrast(z, targets[self.target], mean, temperature=self.temperature, block=self.block)
