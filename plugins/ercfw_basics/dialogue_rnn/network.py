"""The weights of DialogueRNN."""

from typing import Literal, NamedTuple

from torch import nn


class Kind(NamedTuple):
    """The properties that networks must share to run side by side."""

    dim: int
    width: int
    attention: Literal["simple", "general"]
    listener: bool
    dropout: float
    bidirectional: bool
    emotion_width: int


class Network(nn.Module):
    """The cells and the attention of one direction."""

    def __init__(self, kind: Kind) -> None:
        super().__init__()
        dim, width = kind.dim, kind.width
        self.kind = kind
        self.to_global = nn.GRUCell(dim + width, width)
        self.to_party = nn.GRUCell(dim + width, width)
        self.to_listener = nn.GRUCell(dim + width, width) if kind.listener else None
        self.to_emotion = nn.GRUCell(width, kind.emotion_width)
        shape = (width, 1) if kind.attention == "simple" else (dim, width)
        self.attention = nn.Linear(*shape, bias=False)
