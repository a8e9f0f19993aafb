"""The last step of a head: from standardised numbers to those of the target."""

import torch
from torch import Tensor, nn

from ercfw import TargetSpec


class TargetScale(nn.Module):
    """Numbers in the unit of a target, from standardised ones: mean + deviation x, by the statistics of train."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, spec: TargetSpec) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(spec.mean))  # [C]
        self.register_buffer("deviation", torch.tensor(spec.deviation))  # [C]

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[N, C] -> [N, C]``."""
        return self.mean + self.deviation * x


def target_scale(spec: TargetSpec) -> nn.Module:
    """Return the last step of a head: for numbers their scale, for classes and labels none."""
    return TargetScale(spec) if spec.kind == "regression" else nn.Identity()
