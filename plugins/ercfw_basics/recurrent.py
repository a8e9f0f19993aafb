"""GRU and LSTM over the utterances of each conversation."""

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from ercfw import Context, DataInfo, InputError, Inputs, Layout, Rate, Size


def by_step(layout: Layout) -> tuple[Tensor, Tensor]:
    """Return the rows in the order in which a recurrent network reads them.

    Returns:
        ``[N]`` int64, the rows by position in the conversation and, within a position, longest conversation first;
        ``[U]`` int64 on the host, the number of conversations that have an utterance at each position.
    """
    batch = len(layout.sizes)
    rank = layout.lengths.argsort(descending=True, stable=True).argsort()  # [B]
    order = (layout.position * batch + rank[layout.conversation]).argsort()  # [N]
    lengths = torch.tensor(layout.sizes)  # [B]
    going_on = (lengths.unsqueeze(1) > torch.arange(max(layout.sizes))).sum(0)  # [U]
    return order, going_on


class RecurrentContext(Context):
    """Base of GRU and LSTM: torch's own loops over packed rows, so that no padding is computed."""

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
            raise InputError.at("width", f"two directions cannot share a width of {width}", "choose an even width")
        self.out_dim = width
        self.causal = not bidirectional
        self.rnn = self.network(
            dim,
            width // 2 if bidirectional else width,
            num_layers=layers,
            bidirectional=bidirectional,
            # torch applies dropout between layers only, and warns if there is one layer.
            dropout=dropout if layers > 1 else 0.0,
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, inputs: Inputs) -> Tensor:
        """Return the states of the network: ``[N, D] -> [N, width]``."""
        order, going_on = by_step(inputs.layout)
        states = self.rnn(PackedSequence(x.index_select(0, order), going_on))[0].data  # [N, width]
        y: Tensor = self.dropout(states.index_select(0, order.argsort()))  # [N, width]
        return y


class GRUContext(RecurrentContext):
    """Gated recurrent units (Cho et al., 2014) over the utterances of each conversation.

    Options:
        width: ``out_dim``; with two directions, each has half of it.
        layers: number of stacked layers.
        bidirectional: whether to also read from the end; False makes the context causal.
        dropout: dropout rate on the output of each layer.

    Raises:
        InputError: if the width is odd and there are two directions.
    """

    network = nn.GRU


class LSTMContext(RecurrentContext):
    """Long short-term memory (Hochreiter and Schmidhuber, 1997) over the utterances of each conversation.

    Options:
        width: ``out_dim``; with two directions, each has half of it.
        layers: number of stacked layers.
        bidirectional: whether to also read from the end; False makes the context causal.
        dropout: dropout rate on the output of each layer.

    Raises:
        InputError: if the width is odd and there are two directions.
    """

    network = nn.LSTM
