"""Supervised contrastive loss."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ercfw import DataInfo, Loss, Outputs, labelled
from ercfw_basics.blocks.contrastive import Block, contrast
from ercfw_basics.blocks.precision import at_least_float32


def directions(z: Tensor) -> Tensor:
    """Rows of length 1, ``[N, E]``; a row without a length has no direction and stays as it is."""
    norm = z.norm(dim=-1, keepdim=True)  # [N, 1]
    return z / torch.where(norm > 1e-6, norm, 1.0)  # [N, E]


class SupCon(Loss):
    """Draws embeddings of one class together and others apart (Khosla et al., 2020, equation 2, L_out).

    For a labelled row i, with the other labelled rows A(i) and those of its class P(i), the mean over
    P(i) of -log softmax over A(i) of z_i . z_a / temperature, z being of length 1; 0 where P(i) is empty.
    The mean over labelled rows.

    Options:
        temperature: divides the similarities.
        block: rows whose pairs are held at once; bounds the memory, changes no value.
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
        """``[]``."""
        z = outputs.heads[self.target].embedding  # [N, E]
        z = directions(at_least_float32(z))  # [N, E]
        known = labelled(targets, self.target)  # [N]
        mean = known.to(z.dtype) / known.sum().clamp(min=1)  # [N]
        return contrast(z, targets[self.target], mean, temperature=self.temperature, block=self.block)
