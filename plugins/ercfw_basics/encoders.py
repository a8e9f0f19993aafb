"""Encoders of numeric features: unchanged, a linear map, and hidden layers."""

import torch
from torch import Tensor, nn

from ercfw import DataInfo, Encoder, InputError, Inputs, ModalitySpec, Rate, Size, Stream
from ercfw_basics.blocks.mlp import mlp
from ercfw_basics.blocks.products import Linear


class Standardise(nn.Module):
    """``(x - mean) / deviation`` with the statistics of the training split, ``[N, D] -> [N, D]``."""

    mean: Tensor
    deviation: Tensor

    def __init__(self, spec: ModalitySpec) -> None:
        super().__init__()
        self.register_buffer("mean", torch.tensor(spec.mean))  # [D]
        self.register_buffer("deviation", torch.tensor(spec.deviation))  # [D]

    def forward(self, x: Tensor) -> Tensor:
        """Standardise ``x`` ``[N, D]`` -> ``[N, D]``."""
        return (x - self.mean) / self.deviation  # [N, D]


def vectors(stream: Stream) -> Tensor:
    """Return one vector per utterance, ``[N, D]``: vectors unchanged, frames averaged over the real ones."""
    if stream.frames is None:
        return stream.values  # [N, D]
    real = stream.frames.unsqueeze(-1)  # [N, T, 1]
    return stream.values.masked_fill(~real, 0.0).sum(1) / real.sum(1).clamp_min(1)  # [N, D]


def refuse_tokens(spec: ModalitySpec) -> None:
    """Raise an error if the modality consists of token ids.

    Raises:
        InputError: if the modality consists of token ids.
    """
    if spec.kind == "tokens":
        raise InputError.at(
            "use", "this encoder reads numbers, but the modality consists of token ids", "choose one that reads tokens"
        )


class IdentityEncoder(Encoder):
    """The vector of each utterance, unchanged; for frames, their mean.

    Options:
        standardise: whether to scale every column to mean 0 and standard deviation 1 over the training split.
        dropout: dropout rate on the result.

    Raises:
        InputError: if the modality consists of token ids.
    """

    def __init__(self, spec: ModalitySpec, info: DataInfo, *, standardise: bool = False, dropout: Rate = 0.0) -> None:
        super().__init__(spec, info)
        refuse_tokens(spec)
        self.out_dim = spec.dim
        self.standardise = Standardise(spec) if standardise else nn.Identity()
        self.dropout = nn.Dropout(dropout)

    def forward(self, stream: Stream, inputs: Inputs) -> Tensor:
        """Return one vector per utterance, ``[N, D]``."""
        x: Tensor = self.dropout(self.standardise(vectors(stream)))  # [N, D]
        return x


class LinearEncoder(Encoder):
    """A linear map of the vector of each utterance; for frames, of their mean.

    Options:
        width: ``out_dim``.
        standardise: whether to first scale every column to mean 0 and standard deviation 1 over the training split.
        dropout: dropout rate on the result.

    Raises:
        InputError: if the modality consists of token ids.
    """

    def __init__(
        self,
        spec: ModalitySpec,
        info: DataInfo,
        *,
        width: Size = 256,
        standardise: bool = False,
        dropout: Rate = 0.0,
    ) -> None:
        super().__init__(spec, info)
        refuse_tokens(spec)
        self.out_dim = width
        self.standardise = Standardise(spec) if standardise else nn.Identity()
        self.linear = Linear(spec.dim, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, stream: Stream, inputs: Inputs) -> Tensor:
        """Return one vector per utterance, ``[N, width]``."""
        x: Tensor = self.dropout(self.linear(self.standardise(vectors(stream))))  # [N, width]
        return x


class MLPEncoder(Encoder):
    """Hidden layers with ReLU and a linear map of the vector of each utterance; for frames, of their mean.

    Options:
        width: ``out_dim``.
        hidden: width of each hidden layer.
        layers: number of hidden layers.
        standardise: whether to first scale every column to mean 0 and standard deviation 1 over the training split.
        dropout: dropout rate after each ReLU.

    Raises:
        InputError: if the modality consists of token ids.
    """

    def __init__(
        self,
        spec: ModalitySpec,
        info: DataInfo,
        *,
        width: Size = 256,
        hidden: Size = 512,
        layers: Size = 1,
        standardise: bool = False,
        dropout: Rate = 0.0,
    ) -> None:
        super().__init__(spec, info)
        refuse_tokens(spec)
        self.out_dim = width
        self.standardise = Standardise(spec) if standardise else nn.Identity()
        self.hidden = mlp(spec.dim, hidden, layers, dropout)
        self.linear = Linear(hidden, width)

    def forward(self, stream: Stream, inputs: Inputs) -> Tensor:
        """Return one vector per utterance, ``[N, width]``."""
        x: Tensor = self.linear(self.hidden(self.standardise(vectors(stream))))  # [N, width]
        return x
