"""The order in which recurrent networks read a batch, and where each state goes on from."""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor

from ercfw import Layout


class Order(NamedTuple):
    """The way of K networks through a batch: N places, step after step, in a step the longest conversation first.

    The conversations that are still going on are so the first at every step before.

    Attributes:
        sizes: R, the conversations that are still going on at each step; known on the host.
        rows: ``[N, K]`` int64, the row of the batch at each place.
        places: ``[N, K]`` int64, the place of each row.
        earlier: ``[N, K, 2]`` int64, 1 + the place of the utterance before, in the conversation and by the same
            speaker; 0 = none.
        later: ``[N, K, 2]`` int64, likewise of the utterance after.
    """

    sizes: list[int]
    rows: Tensor
    places: Tensor
    earlier: Tensor
    later: Tensor

    @classmethod
    def of(cls, layout: Layout, reverse: Sequence[bool]) -> "Order":
        """The order of networks of which each reads from the start, or in reverse from the end."""
        sizes = [sum(length > step for length in layout.sizes) for step in range(max(layout.sizes))]
        ways = {way: _one_way(layout, sizes, way) for way in set(reverse)}
        columns = zip(*(ways[way] for way in reverse), strict=True)
        return cls(sizes, *(torch.stack(column, 1) for column in columns))


def _one_way(layout: Layout, sizes: Sequence[int], reverse: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Rows ``[N]``, places ``[N]``, earlier and later places ``[N, 2]``."""
    starts = torch.tensor([0, *accumulate(sizes)]).to(layout.lengths.device, non_blocking=True)  # [U + 1]
    rank = layout.lengths.argsort(descending=True, stable=True).argsort()  # [B]
    last = layout.lengths[layout.conversation] - 1  # [N]
    step = last - layout.position if reverse else layout.position  # [N]
    places = starts[step] + rank[layout.conversation]  # [N]
    rows = places.argsort()  # [N]
    numbers = torch.cat([places.new_zeros(1), places + 1])  # [1 + N]
    before = torch.stack([layout.previous, layout.previous_same_speaker], -1)  # [N, 2]
    after = torch.stack([_inverse(previous) for previous in before.unbind(-1)], -1)  # [N, 2]
    earlier, later = (after, before) if reverse else (before, after)
    return rows, places, numbers[earlier[rows] + 1], numbers[later[rows] + 1]


def _inverse(previous: Tensor) -> Tensor:
    """``[N]`` the row that has each row as its ``previous`` ``[N]``; -1 = none."""
    row = torch.arange(len(previous), device=previous.device)  # [N]
    none = row.new_full((len(row) + 1,), -1)  # [1 + N]; all rows without a previous one write to the first place
    return none.index_copy(0, previous + 1, row)[1:]  # [N]
