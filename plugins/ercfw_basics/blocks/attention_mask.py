"""Masks that say which utterances each utterance may attend to, in the bins that attention runs on."""

from functools import cached_property

import torch
from torch import Tensor

from ercfw import Layout

BLOCK = 256
"""Queries per block where each query has its own mask; a wider bin is long (``BinMask.is_long``)."""


class AttentionMask:
    """A mask that lets each utterance attend to the present utterances of its own conversation.

    If causal, an utterance attends to itself and to earlier ones only. One mask per batch serves all blocks that attend
    to the same utterances.

    Args:
        layout: the layout of the batch, which gives the order of the rows.
        present: ``[N]`` bool; False = never attended to.
        causal: whether later utterances are hidden.

    Attributes:
        bins: one mask per group of the layout's bins.
    """

    def __init__(self, layout: Layout, present: Tensor, causal: bool = False) -> None:
        self.layout = layout
        self.present = present
        self.causal = causal
        # An empty place counts as conversation 0. It is never attended to, and its own result is discarded.
        conversation = layout.to_bins(layout.conversation)  # [b, W] each
        seen = layout.to_bins(present)  # [b, W] each
        self.bins = [BinMask(*parts, causal) for parts in zip(conversation, seen, strict=True)]

    @cached_property
    def answered(self) -> Tensor:
        """Return ``[N, 1]`` bool; False where an utterance has nothing to attend to."""
        never = len(self.present)
        place = torch.where(self.present, self.layout.position, never)  # [N]
        first = torch.full_like(self.layout.lengths, never)  # [B]
        first = first.scatter_reduce_(0, self.layout.conversation, place, "amin")[self.layout.conversation]  # [N]
        return (first <= self.layout.position if self.causal else first < never).unsqueeze(1)  # [N, 1]


class BinMask:
    """The mask of b bins of width W.

    Args:
        conversation: ``[b, W]`` int64, the conversation of each place.
        seen: ``[b, W]`` bool; False = never attended to.
        causal: whether later places are hidden.
    """

    def __init__(self, conversation: Tensor, seen: Tensor, causal: bool) -> None:
        self.conversation = conversation
        self.seen = seen
        self.causal = causal

    @property
    def is_long(self) -> bool:
        """Return whether the bin is too wide for a mask ``[b, 1, W, W]``; such a bin holds one conversation."""
        return self.seen.shape[1] > BLOCK

    @cached_property
    def whole(self) -> Tensor:
        """Return the mask of all queries: ``[b, 1, W, W]`` bool.

        For long bins that are not causal it is ``[b, 1, 1, W]``, because all queries share one mask.
        """
        if self.is_long and not self.causal:
            return _with_some(self.seen[:, None, None])
        return self.of(0, self.seen.shape[1])

    def of(self, start: int, stop: int) -> Tensor:
        """Return the mask of the queries from ``start`` to ``stop``: ``[b, 1, stop - start, W]`` bool.

        If causal, it is ``[b, 1, stop - start, stop]``, because no query sees a later key.
        """
        end = stop if self.causal else self.seen.shape[1]
        alike = self.conversation[:, start:stop, None] == self.conversation[:, None, :end]  # [b, Q, end]
        visible = alike & self.seen[:, None, :end]  # [b, Q, end]
        return _with_some((visible.tril(start) if self.causal else visible).unsqueeze(1))


def _with_some(visible: Tensor) -> Tensor:
    """Let a query that may attend to nothing attend to everything.

    A softmax over nothing is NaN. The result of such a query is discarded.
    """
    return visible | ~visible.any(-1, keepdim=True)
