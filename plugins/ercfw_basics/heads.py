"""Heads for all kinds of targets: a linear map, and hidden layers."""

from torch import Tensor, nn

from ercfw import DataInfo, Head, HeadOutput, Inputs, Rate, Size
from ercfw_basics.blocks.mlp import mlp
from ercfw_basics.blocks.products import Linear
from ercfw_basics.blocks.target_scale import target_scale


class LinearHead(Head):
    """A linear map to the logits, or to standardised numbers; the embedding is the input of the map.

    Options:
        dropout: dropout rate on the input of the map.
    """

    causal = True
    serves = ("classes", "regression", "multilabel")

    def __init__(self, dim: int, target: str, info: DataInfo, *, dropout: Rate = 0.0) -> None:
        super().__init__(dim, target, info)
        self.dropout = nn.Dropout(dropout)
        self.linear = Linear(dim, len(info.targets[target].classes))
        self.scale = target_scale(info.targets[target])

    def forward(self, x: Tensor, inputs: Inputs) -> HeadOutput:
        """Return the logits ``[N, C]`` and the embedding ``[N, D]`` of ``x`` ``[N, D]``."""
        embedding = self.dropout(x)  # [N, D]
        return HeadOutput(self.scale(self.linear(embedding)), embedding)


class MLPHead(Head):
    """Hidden layers with ReLU and a linear map to the logits or standardised numbers; the embedding is the map's input.

    Options:
        hidden: width of each hidden layer, and of the embedding.
        layers: number of hidden layers.
        dropout: dropout rate after each ReLU.
        bounded: whether tanh keeps the logits between -1 and 1, as in the released code of QMNN.
    """

    causal = True
    serves = ("classes", "regression", "multilabel")

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
        self.scale = target_scale(info.targets[target])

    def forward(self, x: Tensor, inputs: Inputs) -> HeadOutput:
        """Return the logits ``[N, C]`` and the embedding ``[N, hidden]`` of ``x`` ``[N, D]``."""
        embedding = self.hidden(x)  # [N, hidden]
        return HeadOutput(self.scale(self.bound(self.linear(embedding))), embedding)
