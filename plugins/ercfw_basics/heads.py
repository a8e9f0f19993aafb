"""Classifiers: a linear map, and one with hidden layers."""

from torch import Tensor, nn

from ercfw import DataInfo, Head, HeadOutput, Inputs, Rate, Size
from ercfw_basics.blocks.mlp import mlp
from ercfw_basics.blocks.products import Linear


class LinearHead(Head):
    """A linear map to the logits; the embedding is what enters it.

    Options:
        dropout: rate on what enters the map.
    """

    causal = True

    def __init__(self, dim: int, target: str, info: DataInfo, *, dropout: Rate = 0.0) -> None:
        super().__init__(dim, target, info)
        self.dropout = nn.Dropout(dropout)
        self.linear = Linear(dim, len(info.targets[target].classes))

    def forward(self, x: Tensor, inputs: Inputs) -> HeadOutput:
        """``[N, D]`` -> logits ``[N, C]``, embedding ``[N, D]``."""
        embedding = self.dropout(x)  # [N, D]
        return HeadOutput(self.linear(embedding), embedding)


class MLPHead(Head):
    """Hidden layers with ReLU and a linear map to the logits; the embedding is what enters that map.

    Options:
        hidden: width of each hidden layer, and of the embedding.
        layers: how many hidden layers.
        dropout: rate after each ReLU.
        bounded: logits between -1 and 1, by tanh, as the released code of QMNN has them.
    """

    causal = True

    def __init__(
        self,
        dim: int,
        target: str,
        info: DataInfo,
        *,
        hidden: Size = 256,
        layers: Size = 1,
        dropout: Rate = 0.0,
        bounded: bool = False,
    ) -> None:
        super().__init__(dim, target, info)
        self.bound: nn.Module = nn.Tanh() if bounded else nn.Identity()
        self.hidden = mlp(dim, hidden, layers, dropout)
        self.linear = Linear(hidden, len(info.targets[target].classes))

    def forward(self, x: Tensor, inputs: Inputs) -> HeadOutput:
        """``[N, D]`` -> logits ``[N, C]``, embedding ``[N, hidden]``."""
        embedding = self.hidden(x)  # [N, hidden]
        return HeadOutput(self.bound(self.linear(embedding)), embedding)
