"""Whom an utterance may read, in the bins that attention runs on."""

from functools import cached_property

import torch
from torch import Tensor

from ercfw import Layout

BLOCK = 256
"""Queries that are masked at once where each has a mask of its own."""


class AttentionMask:
    """An utterance may read those of its own conversation that are present; where causal, up to itself.

    Made once a batch, for all blocks that read the same utterances.

    Args:
        layout: the order of the rows.
        present: ``[N]`` bool, False = nobody reads this one.
        causal: nobody reads what comes later.

    Attributes:
        bins: the mask of each group of the layout's bins.
    """

    def __init__(self, layout: Layout, present: Tensor, causal: bool = False) -> None:
        self.layout = layout
        self.present = present
        self.causal = causal
        # An empty place counts to conversation 0: nobody reads it, and nobody reads what it finds.
        conversation = layout.to_bins(layout.conversation)  # [b, W] each
        seen = layout.to_bins(present)  # [b, W] each
        self.bins = [BinMask(*parts, causal) for parts in zip(conversation, seen, strict=True)]

    @cached_property
    def answered(self) -> Tensor:
        """``[N, 1]`` bool, False = this one may read nobody."""
        never = len(self.present)
        place = torch.where(self.present, self.layout.position, never)  # [N]
        first = torch.full_like(self.layout.lengths, never)  # [B]
        first = first.scatter_reduce_(0, self.layout.conversation, place, "amin")[self.layout.conversation]  # [N]
        return (first <= self.layout.position if self.causal else first < never).unsqueeze(1)  # [N, 1]


class BinMask:
    """The mask of b bins of width W.

    Args:
        conversation: ``[b, W]`` int64.
        seen: ``[b, W]`` bool, False = nobody reads this place.
        causal: nobody reads what comes later.
    """

    def __init__(self, conversation: Tensor, seen: Tensor, causal: bool) -> None:
        self.conversation = conversation
        self.seen = seen
        self.causal = causal

    @property
    def is_long(self) -> bool:
        """Too wide for a mask ``[b, 1, W, W]``; such a bin holds one conversation."""
        return self.seen.shape[1] > BLOCK

    @cached_property
    def whole(self) -> Tensor:
        """``[b, 1, W, W]`` bool; in long bins, where not causal, ``[b, 1, 1, W]``: the same for all queries."""
        if self.is_long and not self.causal:
            return _with_some(self.seen[:, None, None])
        return self.of(0, self.seen.shape[1])

    def of(self, start: int, stop: int) -> Tensor:
        """``[b, 1, stop - start, W]`` bool, what these queries read; where causal ``[b, 1, stop - start, stop]``."""
        end = stop if self.causal else self.seen.shape[1]
        alike = self.conversation[:, start:stop, None] == self.conversation[:, None, :end]  # [b, Q, end]
        visible = alike & self.seen[:, None, :end]  # [b, Q, end]
        return _with_some((visible.tril(start) if self.causal else visible).unsqueeze(1))


def _with_some(visible: Tensor) -> Tensor:
    """A query that reads nobody reads all: a softmax over nothing is NaN, and what it finds is not used."""
    return visible | ~visible.any(-1, keepdim=True)
