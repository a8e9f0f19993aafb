"""Attention over the utterances of each conversation (Vaswani et al., 2017), and a feed-forward block."""

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from ercfw import InputError, Layout
from ercfw_basics.blocks.attention_mask import BLOCK, AttentionMask, BinMask
from ercfw_basics.blocks.precision import at_least_float32
from ercfw_basics.blocks.products import Linear


class ConversationAttention(nn.Module):
    """Multi-head attention in which each utterance attends to the utterances of its own conversation.

    Each head computes softmax(Q K^T / sqrt(D / H)) V. Linear maps give Q, K and V, and another one maps the
    concatenated heads to the result. Absent keys are never attended to; where a query has no key left, the result is
    exactly zero.

    The linear maps run on packed rows and the attention runs on bins, so memory grows linearly with U, not
    quadratically. The attention runs in at least float32, even under autocast: its backward pass on CPUs is many times
    slower in bfloat16.

    Args:
        width: D of queries, keys and results.
        heads: H, a divisor of D.
        dropout: dropout rate on the attention weights.

    Raises:
        InputError: if ``heads`` does not divide ``width``.
    """

    def __init__(self, width: int, heads: int, *, dropout: float = 0.0) -> None:
        super().__init__()
        if width % heads:
            raise InputError.at("heads", f"{heads} does not divide the width of {width}", "choose a divisor of it")
        self.heads = heads
        self.dropout = dropout
        self.query = Linear(width, width)
        self.key = Linear(width, width)
        self.value = Linear(width, width)
        self.out = Linear(width, width)

    def forward(self, query: Tensor, key: Tensor, mask: AttentionMask) -> Tensor:
        """Return the result of each query: ``query`` ``[N, D]``, ``key`` ``[N, D]`` -> ``[N, D]``.

        Args:
            query: one row per utterance.
            key: one row per utterance; the values are computed from it, too.
            mask: which utterances each query may attend to.
        """
        maps = ((self.query, query), (self.key, key), (self.value, key))
        bins = zip(*(self._split(map(x), mask.layout) for map, x in maps), mask.bins, strict=True)
        dropout = self.dropout if self.training else 0.0
        with torch.autocast(query.device.type, enabled=False):
            heads = [_attend(q, k, v, seen, dropout) for q, k, v, seen in bins]  # [b, W, H, D/H] each
        found = self.out(mask.layout.from_bins(heads).flatten(1))  # [N, D]
        return found * mask.answered.to(found.dtype)  # type: ignore[no-any-return]  # [N, D]

    def weights(self, query: Tensor, key: Tensor, mask: AttentionMask) -> Tensor:
        """Return the attention weights of ``forward``: ``[N, H, U]``.

        Entry (n, h, u) is the weight that query n gives to position u of its conversation in head h. It is zero where
        the query may not attend.
        """
        sizes = list(mask.layout.sizes)
        rows = (self._heads(self.query(query)), self._heads(self.key(key)), mask.present)
        parts = zip(*(torch.split(part, sizes) for part in rows), strict=True)
        with torch.autocast(query.device.type, enabled=False):
            shares = [_shares(q, k, present, mask.causal) for q, k, present in parts]  # [L, H, L] each
        return torch.cat([F.pad(share, (0, max(sizes) - len(share))) for share in shares])  # [N, H, U]

    def _split(self, x: Tensor, layout: Layout) -> list[Tensor]:
        """Split ``[N, D]`` into heads ``[b, H, W, D/H]`` per group of bins."""
        return [part.transpose(1, 2) for part in layout.to_bins(self._heads(x))]

    def _heads(self, x: Tensor) -> Tensor:
        """Split ``[N, D]`` into heads ``[N, H, D/H]``, in at least float32."""
        return at_least_float32(x).view(len(x), self.heads, -1)


def _attend(q: Tensor, k: Tensor, v: Tensor, mask: BinMask, dropout: float) -> Tensor:
    """Attend within bins: ``[b, H, W, D/H]`` each -> ``[b, W, H, D/H]``.

    No ``[W, W]`` matrix of a long bin is kept for the backward pass.
    """
    if not mask.is_long or not (mask.causal or dropout):
        return F.scaled_dot_product_attention(q, k, v, mask.whole, dropout).transpose(1, 2)
    starts = range(0, q.shape[2], BLOCK)
    found = [checkpoint(_attend_block, q, k, v, mask, dropout, start, use_reentrant=False) for start in starts]
    return torch.cat(found, 1)


def _attend_block(q: Tensor, k: Tensor, v: Tensor, mask: BinMask, dropout: float, start: int) -> Tensor:
    """Return the results of at most ``BLOCK`` queries from ``start`` on: ``[b, BLOCK, H, D/H]``."""
    q = q[:, :, start : start + BLOCK]  # [b, H, BLOCK, D/H]
    visible = mask.of(start, start + q.shape[2])  # [b, 1, BLOCK, W or less]
    k, v = (x[:, :, : visible.shape[-1]] for x in (k, v))  # [b, H, W or less, D/H] each
    return F.scaled_dot_product_attention(q, k, v, visible, dropout).transpose(1, 2)


def _shares(q: Tensor, k: Tensor, present: Tensor, causal: bool) -> Tensor:
    """Return the attention weights within one conversation of L utterances: ``[L, H, D/H]`` each -> ``[L, H, L]``."""
    visible = present.expand(len(q), len(q))  # [L, L]
    visible = (visible.tril() if causal else visible).unsqueeze(1)  # [L, 1, L]
    scores: Tensor = torch.einsum("qhd,khd->qhk", q, k) / q.shape[-1] ** 0.5  # [L, H, L]
    floor = torch.finfo(scores.dtype).min
    return scores.masked_fill(~visible, floor).softmax(-1).masked_fill(~visible, 0.0)  # [L, H, L]


class FeedForward(nn.Sequential):
    """Two linear maps with a ReLU and dropout between them, ``[N, D] -> [N, D]``."""

    def __init__(self, width: int, hidden: int, *, dropout: float = 0.0) -> None:
        super().__init__(Linear(width, hidden), nn.ReLU(inplace=True), nn.Dropout(dropout), Linear(hidden, width))
