"""Variational information bottleneck: a fusion that keeps little of what it reads."""

import torch
from torch import Tensor

from ercfw import DataInfo, Fused, FusionBlock, Inputs, Size
from ercfw_basics.blocks.precision import at_least_float32
from ercfw_basics.blocks.products import Linear


class VariationalBottleneck(FusionBlock):
    """Draws the joint vector from a normal distribution that the modalities decide (VIB: Alemi et al., ICLR 2017).

    A linear map of the modalities' vectors, side by side, gives the means mu and the logarithms of the variances
    sigma^2. In training z = mu + sigma * noise; in evaluation z = mu. The extra ``kl`` ``[N]`` is the divergence of the
    distribution from the standard normal one. Its mean bounds the information that z holds about the input::

        kl = 1/2 sum_d (mu_d^2 + sigma_d^2 - log sigma_d^2 - 1)

    Train it with the weight beta of the paper's equation 17: ``[loss.kl] use = "extra"``, ``name = "fusion.kl"``,
    ``weight = 1e-3``.

    Options:
        width: ``out_dim``.
    """

    causal = True

    def __init__(self, dims: dict[str, int], info: DataInfo, *, width: Size = 256) -> None:
        super().__init__(dims, info)
        self.out_dim = width
        self.project = Linear(sum(dims.values()), 2 * width)

    def forward(self, xs: dict[str, Tensor], inputs: Inputs) -> Fused:
        """Fuse ``{m: [N, D_m]} -> [N, width]``."""
        both = at_least_float32(self.project(torch.cat(list(xs.values()), -1)))  # [N, 2 width]
        mean, log_variance = both.chunk(2, -1)  # [N, width] each
        kl = (mean.square() + log_variance.exp() - log_variance - 1).sum(-1) / 2  # [N]
        z = mean + (log_variance / 2).exp() * torch.randn_like(mean) if self.training else mean  # [N, width]
        return Fused(z, extras={"kl": kl})
