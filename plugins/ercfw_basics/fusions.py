"""Fusions that combine the modalities of each utterance: concatenation and sums."""

import torch
from torch import Tensor, nn

from ercfw import DataInfo, FusionBlock, Inputs, Size
from ercfw_basics.blocks.products import Linear


def presence(xs: dict[str, Tensor], inputs: Inputs) -> Tensor:
    """Return which modalities each utterance has: ``[N, M]`` bool, in the order of ``xs``."""
    return torch.stack([inputs.streams[m].present for m in xs], -1)  # [N, M]


class Concat(FusionBlock):
    """Concatenation of the modalities' vectors."""

    causal = True

    def __init__(self, dims: dict[str, int], info: DataInfo) -> None:
        super().__init__(dims, info)
        self.out_dim = sum(dims.values())

    def forward(self, xs: dict[str, Tensor], inputs: Inputs) -> Tensor:
        """Concatenate ``{m: [N, D_m]} -> [N, sum of D_m]``."""
        return torch.cat(list(xs.values()), -1)  # [N, sum of D_m]


class Sum(FusionBlock):
    """Sum of linear maps of the modalities' vectors, divided by the number of modalities present.

    Absent modalities are left out. If all are absent, the result is zero.

    Options:
        width: ``out_dim``.
    """

    causal = True

    def __init__(self, dims: dict[str, int], info: DataInfo, *, width: Size = 256) -> None:
        super().__init__(dims, info)
        self.out_dim = width
        self.project = nn.ModuleDict({m: Linear(dim, width) for m, dim in dims.items()})

    def forward(self, xs: dict[str, Tensor], inputs: Inputs) -> Tensor:
        """Fuse ``{m: [N, D_m]} -> [N, width]``."""
        here = presence(xs, inputs)  # [N, M]
        parts = torch.stack([self.project[m](x) for m, x in xs.items()], -1)  # [N, width, M]
        total = parts.masked_fill(~here.unsqueeze(1), 0.0).sum(-1)  # [N, width]
        return total / here.sum(-1, keepdim=True).clamp_min(1)  # [N, width]


class GatedSum(FusionBlock):
    """Sum of linear maps of the modalities' vectors, weighted anew for each utterance.

    The weights are a softmax over linear scores of the modalities that are present. If all are absent, the result is
    zero.

    Options:
        width: ``out_dim``.
    """

    causal = True

    def __init__(self, dims: dict[str, int], info: DataInfo, *, width: Size = 256) -> None:
        super().__init__(dims, info)
        self.out_dim = width
        self.project = nn.ModuleDict({m: Linear(dim, width) for m, dim in dims.items()})
        self.score = nn.ModuleDict({m: Linear(dim, 1) for m, dim in dims.items()})

    def forward(self, xs: dict[str, Tensor], inputs: Inputs) -> Tensor:
        """Fuse ``{m: [N, D_m]} -> [N, width]``."""
        parts = torch.stack([self.project[m](x) for m, x in xs.items()], -1)  # [N, width, M]
        return (parts * self.gate(xs, inputs).unsqueeze(1)).sum(-1)  # [N, width]

    def gate(self, xs: dict[str, Tensor], inputs: Inputs) -> Tensor:
        """Return the weight of each modality, ``[N, M]``; a row sums to 1, or to 0 if all modalities are absent."""
        here = presence(xs, inputs)  # [N, M]
        score = torch.cat([self.score[m](x) for m, x in xs.items()], -1)  # [N, M]
        floor = torch.finfo(score.dtype).min  # not -inf: a softmax over -inf alone would be NaN
        return score.masked_fill(~here, floor).softmax(-1).masked_fill(~here, 0.0)  # [N, M]
