"""Attention of each utterance over its whole conversation, the last stage of DialogueRNN and DialogueGCN."""

import torch
from torch import Tensor, nn

from ercfw import DataInfo, Head, HeadOutput, Inputs, Rate, Size
from ercfw_basics import at_least_float32


class MatchingHead(Head):
    """Attention of each utterance over its whole conversation, then a hidden layer and a classifier.

    For utterances i and j of a conversation::

        score_ij = f(x_j . (W x_i + b))                  f is the identity or tanh
        y_i      = sum_j softmax_j(score_ij) x_j
        o_i      = V drop(relu(U y_i))

    This is the emotional attention of DialogueRNN (Majumder et al., AAAI 2019) and the nodal attention of DialogueGCN
    (Ghosal et al., EMNLP 2019), whose released code uses tanh. Memory grows as B * U * U numbers.

    Options:
        hidden: width of the hidden layer and of the embedding.
        tanh: bound the scores with tanh.
        read_dropout: rate on x.
        dropout: rate on the hidden layer.
    """

    def __init__(
        self,
        dim: int,
        target: str,
        info: DataInfo,
        *,
        hidden: Size = 100,
        tanh: bool = False,
        read_dropout: Rate = 0.0,
        dropout: Rate = 0.0,
    ) -> None:
        super().__init__(dim, target, info)
        self.query = nn.Linear(dim, dim)
        self.tanh = tanh
        self.hidden = nn.Linear(dim, hidden)
        self.classify = nn.Linear(hidden, len(info.targets[target].classes))
        self.read_dropout, self.dropout = nn.Dropout(read_dropout), nn.Dropout(dropout)

    def forward(self, x: Tensor, inputs: Inputs) -> HeadOutput:
        """Return logits ``[N, C]`` and embedding ``[N, hidden]`` for ``[N, D]``."""
        embedding = self.dropout(self.hidden(self.match(self.read_dropout(x), inputs)).relu())  # [N, hidden]
        return HeadOutput(self.classify(embedding), embedding)

    def match(self, x: Tensor, inputs: Inputs) -> Tensor:
        """Return the attended vector y of each utterance: ``[N, D] -> [N, D]``."""
        keys = inputs.layout.pad(x)  # [B, U, D]
        scores = inputs.layout.pad(self.query(x)) @ keys.mT  # [B, U, U]
        scores = at_least_float32(scores.tanh() if self.tanh else scores)  # [B, U, U]
        floor = torch.finfo(scores.dtype).min
        shares = scores.masked_fill(~inputs.layout.mask.unsqueeze(1), floor).softmax(-1)  # [B, U, U]
        return inputs.layout.pack(shares.to(keys.dtype) @ keys)  # [N, D]
