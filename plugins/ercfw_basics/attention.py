"""Attention over the utterances of each conversation (Vaswani et al., 2017), and its feed-forward block."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ercfw import InputError, Layout


class ConversationAttention(nn.Module):
    """Multi-head attention: every utterance asks the utterances of its own conversation.

    Softmax(Q K^T / sqrt(D / H)) V, with linear maps to Q, K and V and from the heads' outputs. Absent keys
    are never used, and where no key is left the result is exactly zero. The linear maps run on packed rows;
    the attention in at least float32, autocast or not: its backward on CPUs is many times slower in bfloat16.

    Args:
        width: D of queries, keys and results.
        heads: H, a divisor of D.
        dropout: rate on the attention weights.

    Raises:
        InputError: the heads do not divide the width.
    """

    def __init__(self, width: int, heads: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        if width % heads:
            raise InputError.at("heads", f"{heads} do not divide a width of {width}", "choose a divisor of it")
        self.heads = heads
        self.dropout = dropout
        self.query = nn.Linear(width, width)
        self.key = nn.Linear(width, width)
        self.value = nn.Linear(width, width)
        self.out = nn.Linear(width, width)

    def forward(self, query: Tensor, key: Tensor, layout: Layout, present: Tensor, causal: bool = False) -> Tensor:
        """What each query finds: ``query`` ``[N, D]``, ``key`` ``[N, D]`` -> ``[N, D]``.

        Args:
            query: a row an utterance.
            key: likewise; the values are made of it too.
            layout: the order of the rows.
            present: ``[N]`` bool, False = this key is not to be used.
            causal: a query sees only keys up to its own place.
        """
        q = self._split(self.query(query), layout)  # [B, H, U, D/H]
        k = self._split(self.key(key), layout)  # [B, H, U, D/H]
        v = self._split(self.value(key), layout)  # [B, H, U, D/H]
        visible = self._visible(layout, present, causal)  # [B, 1, 1 or U, U]
        answered = visible.any(-1, keepdim=True)  # [B, 1, 1 or U, 1]
        with torch.autocast(q.device.type, enabled=False):
            # A query without keys sees all of them, for a softmax over nothing is NaN; it is zeroed below.
            heads = F.scaled_dot_product_attention(
                q, k, v, attn_mask=visible | ~answered, dropout_p=self.dropout if self.training else 0.0
            )  # [B, H, U, D/H]
        found: Tensor = self.out(layout.pack(heads.transpose(1, 2)).flatten(1))  # [N, D]
        return found.masked_fill(~self._rows(answered, layout), 0.0)  # [N, D]

    def weights(self, query: Tensor, key: Tensor, layout: Layout, present: Tensor, causal: bool = False) -> Tensor:
        """The attention weights ``[N, H, U]`` of ``forward``: how much each query reads of each place of its
        conversation; zero at places that it does not see.
        """
        q = self._split(self.query(query), layout)  # [B, H, U, D/H]
        k = self._split(self.key(key), layout)  # [B, H, U, D/H]
        visible = self._visible(layout, present, causal)  # [B, 1, 1 or U, U]
        scores = q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5  # [B, H, U, U]
        floor = torch.finfo(scores.dtype).min
        shares = scores.masked_fill(~visible, floor).softmax(-1).masked_fill(~visible, 0.0)  # [B, H, U, U]
        return layout.pack(shares.transpose(1, 2))  # [N, H, U]

    def _split(self, x: Tensor, layout: Layout) -> Tensor:
        """``[N, D] -> [B, H, U, D/H]``, in at least float32."""
        padded = layout.pad(x.to(torch.promote_types(x.dtype, torch.float32)))  # [B, U, D]
        return padded.view(*padded.shape[:2], self.heads, -1).transpose(1, 2)  # [B, H, U, D/H]

    @staticmethod
    def _visible(layout: Layout, present: Tensor, causal: bool) -> Tensor:
        """Which keys a query may use: ``[B, 1, 1, U]`` bool, or ``[B, 1, U, U]`` where order matters."""
        visible = layout.pad(present)[:, None, None]  # [B, 1, 1, U]
        if not causal:
            return visible
        length = visible.shape[-1]
        return visible & visible.new_ones(length, length).tril()  # [B, 1, U, U]

    @staticmethod
    def _rows(answered: Tensor, layout: Layout) -> Tensor:
        """``[B, 1, 1 or U, 1] -> [N, 1]``."""
        batch, longest = layout.mask.shape
        return layout.pack(answered[:, 0].expand(batch, longest, 1))  # [N, 1]


class FeedForward(nn.Sequential):
    """Two linear maps with a ReLU between them, ``[N, D] -> [N, D]``."""

    def __init__(self, width: int, hidden: int, *, dropout: float = 0.0) -> None:
        super().__init__(nn.Linear(width, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, width))
