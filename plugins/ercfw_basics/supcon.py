"""Supervised contrastive loss."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ercfw import DataInfo, Loss, Outputs, labelled


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
    """

    requires = ("embedding",)

    def __init__(self, target: str, info: DataInfo, *, temperature: Annotated[float, Field(ge=1e-3)] = 0.1) -> None:
        super().__init__(target, info)
        self.temperature = temperature

    def forward(self, outputs: Outputs, targets: dict[str, Tensor]) -> Tensor:
        """``[]``."""
        label, known = targets[self.target], labelled(targets, self.target)  # [N] each
        z = directions(outputs.heads[self.target].embedding.float())  # [N, E]
        with torch.autocast(z.device.type, enabled=False):
            similar = z @ z.T / self.temperature  # [N, N]
        itself = torch.eye(len(z), dtype=torch.bool, device=z.device)  # [N, N]
        others = known.unsqueeze(0) & known.unsqueeze(1) & ~itself  # [N, N]
        positive = others & (label.unsqueeze(0) == label.unsqueeze(1))  # [N, N]
        # The least number, not -inf: a softmax over nothing would be NaN.
        log_share = similar.masked_fill(~others, torch.finfo(z.dtype).min).log_softmax(-1)  # [N, N]
        drawn = torch.where(positive, log_share, 0.0).sum(-1)  # [N]
        losses = -drawn / positive.sum(-1).clamp_min(1)  # [N]
        return losses.sum() / known.sum().clamp_min(1)  # []
