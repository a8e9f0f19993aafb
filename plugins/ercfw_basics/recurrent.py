"""GRU and LSTM over the utterances of each conversation."""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from ercfw import Context, DataInfo, InputError, Inputs, Layout, Rate, Size


def by_step(layout: Layout) -> tuple[Tensor, Tensor]:
    """The rows in the order in which a recurrent network reads them.

    Returns:
        ``[N]`` int64, rows by place in the conversation and, within one, longest conversation first;
        ``[U]`` int64 on the host, how many conversations have an utterance at each place.
    """
    batch = len(layout.sizes)
    rank = layout.lengths.argsort(descending=True, stable=True).argsort()  # [B]
    order = (layout.position * batch + rank[layout.conversation]).argsort()  # [N]
    lengths = torch.tensor(layout.sizes)  # [B]
    going_on = (lengths.unsqueeze(1) > torch.arange(max(layout.sizes))).sum(0)  # [U]
    return order, going_on


class RecurrentContext(Context):
    """What GRU and LSTM share: torch's own loops, fed packed rows, so that no padding is computed."""

    network: ClassVar[type[nn.GRU] | type[nn.LSTM]]

    def __init__(
        self,
        dim: int,
        info: DataInfo,
        *,
        width: Size = 256,
        layers: Size = 1,
        bidirectional: bool = True,
        dropout: Rate = 0.0,
    ) -> None:
        super().__init__(dim, info)
        if bidirectional and width % 2:
            raise InputError.at("width", f"two directions cannot share a width of {width}", "choose an even one")
        self.out_dim = width
        self.causal = not bidirectional
        self.rnn = self.network(
            dim,
            width // 2 if bidirectional else width,
            num_layers=layers,
            bidirectional=bidirectional,
            # torch drops out between layers only, and warns where there is nothing between.
            dropout=dropout if layers > 1 else 0.0,
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, inputs: Inputs) -> Tensor:
        """``[N, D] -> [N, width]``."""
        order, going_on = by_step(inputs.layout)
        states = self.rnn(PackedSequence(x.index_select(0, order), going_on))[0].data  # [N, width]
        y: Tensor = self.dropout(states.index_select(0, order.argsort()))  # [N, width]
        return y


class GRUContext(RecurrentContext):
    """Gated recurrent units (Cho et al., 2014) over the utterances of each conversation.

    Options:
        width: ``out_dim``; two directions have half of it each.
        layers: how many, one on top of the other.
        bidirectional: also read from the end; False makes the context causal.
        dropout: rate on what each layer gives.

    Raises:
        InputError: the width is odd and there are two directions.
    """

    network = nn.GRU


class LSTMContext(RecurrentContext):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997) over the utterances of each conversation.

    Options:
        width: ``out_dim``; two directions have half of it each.
        layers: how many, one on top of the other.
        bidirectional: also read from the end; False makes the context causal.
        dropout: rate on what each layer gives.

    Raises:
        InputError: the width is odd and there are two directions.
    """

    network = nn.LSTM
