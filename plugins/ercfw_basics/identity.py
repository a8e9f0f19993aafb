"""The context that is none."""

from torch import Tensor

from ercfw import Context, DataInfo, Inputs


class NoContext(Context):
    """Every utterance as it is: for a variant that takes a context away."""

    causal = True

    def __init__(self, dim: int, info: DataInfo) -> None:
        super().__init__(dim, info)
        self.out_dim = dim

    def forward(self, x: Tensor, inputs: Inputs) -> Tensor:
        """``[N, D]``, unchanged."""
        return x
