"""The context that changes nothing."""

from torch import Tensor

from ercfw import Context, DataInfo, Inputs


class NoContext(Context):
    """No context: each utterance stays unchanged. Use it in a variant that removes the context."""

    causal = True

    def __init__(self, dim: int, info: DataInfo) -> None:
        super().__init__(dim, info)
        self.out_dim = dim

    def forward(self, x: Tensor, inputs: Inputs) -> Tensor:
        """Return ``x`` ``[N, D]`` unchanged."""
        return x
