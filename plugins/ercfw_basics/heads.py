"""Heads: a linear map and hidden layers for all kinds of targets, and one that classifies each modality, too."""

from collections.abc import Mapping

import torch
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


class AuxiliaryLinearHead(Head):
    """A linear map to the logits, and one of each modality's view to auxiliary logits.

    The embedding is the input of the first map. Auxiliary logits are trained but not scored, by the losses
    ``auxiliary-cross-entropy`` and ``self-distillation``. They are in the order of the modalities. Those of a modality
    that an utterance lacks come from zeros.

    Options:
        dropout: dropout rate on the input of each map.
    """

    causal = True

    def __init__(self, dim: int, target: str, info: DataInfo, views: Mapping[str, int], *, dropout: Rate = 0.0) -> None:
        super().__init__(dim, target, info, views)
        classes = len(info.targets[target].classes)
        self.dropout = nn.Dropout(dropout)
        self.linear = Linear(dim, classes)
        self.auxiliary = nn.ModuleDict({name: Linear(width, classes) for name, width in views.items()})

    def forward(self, x: Tensor, inputs: Inputs, views: dict[str, Tensor] | None = None) -> HeadOutput:
        """Return logits ``[N, C]``, embedding ``[N, D]`` and auxiliary ``[N, M, C]`` of ``[N, D]`` and M views."""
        assert views is not None
        embedding = self.dropout(x)  # [N, D]
        alone = []
        for name, linear in self.auxiliary.items():
            here = inputs.streams[name].present.unsqueeze(-1)  # [N, 1]
            alone.append(linear(self.dropout(views[name].masked_fill(~here, 0.0))))
        return HeadOutput(self.linear(embedding), embedding, torch.stack(alone, 1))
