"""Low-rank multimodal fusion."""

from typing import Annotated

from pydantic import Field
from torch import Tensor, nn

from ercfw import DataInfo, FusionBlock, Inputs, hookimpl

Count = Annotated[int, Field(ge=1)]


class LowRank(FusionBlock):
    """All products of the modalities' features, with weights of low rank (Liu et al., 2018, arXiv:1806.00064).

    With ``z_m = [x_m, 1]``, the outer product of all z_m is multiplied by a weight tensor. The weight tensor is a sum
    of ``rank`` outer products of one matrix per modality. Because this sum is computed last, neither tensor is ever
    built: memory is ``N * rank * width`` numbers per modality.

    Options:
        width: ``out_dim``.
        rank: the number of outer products in the sum.
    """

    causal = True  # row n reads only row n

    def __init__(self, dims: dict[str, int], info: DataInfo, *, width: Count = 64, rank: Count = 4) -> None:
        super().__init__(dims, info)
        self.out_dim = width
        factors = {m: nn.Linear(dim, rank * width) for m, dim in dims.items()}
        self.factors = nn.ModuleDict(factors)
        self.mix = nn.Linear(rank, 1)
        for factor in factors.values():
            nn.init.ones_(factor.bias)  # otherwise the product of many modalities vanishes, and so does its gradient

    def forward(self, xs: dict[str, Tensor], inputs: Inputs) -> Tensor:
        """Fuse ``{m: [N, D_m]} -> [N, width]``."""
        product = None
        for name, x in xs.items():
            here = inputs.streams[name].present.unsqueeze(-1)  # [N, 1]
            part = self.factors[name](x * here).unflatten(-1, (-1, self.out_dim))  # [N, rank, width]
            product = part if product is None else product * part
        assert product is not None
        fused: Tensor = self.mix(product.transpose(-1, -2))  # [N, width, 1]
        return fused.squeeze(-1)  # [N, width]


@hookimpl
def provide_fusions() -> dict[str, type[FusionBlock]]:
    """Return the fusions of this plugin by name."""
    return {"low-rank": LowRank}
