"""The order in which recurrent networks read a batch, and the state that each step continues."""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor

from ercfw import Layout


class Order(NamedTuple):
    """The order in which K networks read a batch of N places.

    Places are ordered by step and, within a step, longest conversation first. The R conversations of a step are
    therefore the first R of every earlier step.

    Attributes:
        sizes: R, the number of conversations that have not ended, for each step; known on the host.
        rows: ``[N, K]`` int64, the row of the batch at each place.
        places: ``[N, K]`` int64, the place of each row.
        earlier: ``[N, K, 2]`` int64, 1 + the place of the previous utterance in the conversation and of the previous
            one by the same speaker; 0 = none.
        later: ``[N, K, 2]`` int64, the same for the next utterance.
    """

    sizes: list[int]
    rows: Tensor
    places: Tensor
    earlier: Tensor
    later: Tensor

    @classmethod
    def of(cls, layout: Layout, reverse: Sequence[bool]) -> "Order":
        """Return the order of networks that each read from the start or, in reverse, from the end."""
        sizes = [sum(length > step for length in layout.sizes) for step in range(max(layout.sizes))]
        ways = {way: _one_way(layout, sizes, way) for way in set(reverse)}
        columns = zip(*(ways[way] for way in reverse), strict=True)
        return cls(sizes, *(torch.stack(column, 1) for column in columns))


def _one_way(layout: Layout, sizes: Sequence[int], reverse: bool) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return rows ``[N]``, places ``[N]``, and earlier and later places ``[N, 2]`` each, for one direction."""
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
    """Return, for each row, the row that has it as its ``previous`` ``[N]``: ``[N]``; -1 = none."""
    row = torch.arange(len(previous), device=previous.device)  # [N]
    none = row.new_full((len(row) + 1,), -1)  # [1 + N]; rows without a previous one write to the first place
    return none.index_copy(0, previous + 1, row)[1:]  # [N]
