"""The order in which recurrent networks read a batch, and where each state goes on from."""

from collections.abc import Sequence
from itertools import accumulate
from typing import NamedTuple

import torch
from torch import Tensor

from ercfw import Layout


class Order(NamedTuple):
    """The way of K networks through a batch: P places, step after step, in a step the longest conversation first.

    The conversations that are still going on are so the first at every step before. There are a few places more than
    rows: sizes of matrix products are rounded up, for oneDNN takes half a millisecond to get ready for a size that
    it has not met lately. An empty place is gone on from by none.

    Attributes:
        sizes: R, the places of each step; known on the host.
        rows: ``[P, K]`` int64, 1 + the row of the batch at each place; 0 = empty.
        places: ``[N, K]`` int64, 1 + the place of each row.
        earlier: ``[P, K, 2]`` int64, 1 + the place of the utterance before, in the conversation and by the same
            speaker; 0 = none.
        later: ``[P, K, 2]`` int64, likewise of the utterance after.
    """

    sizes: list[int]
    rows: Tensor
    places: Tensor
    earlier: Tensor
    later: Tensor

    @classmethod
    def of(cls, layout: Layout, reverse: Sequence[bool]) -> "Order":
        """The order of networks of which each reads from the start, or in reverse from the end."""
        before = torch.stack([layout.previous, layout.previous_same_speaker], -1)  # [N, 2]
        after = torch.stack([_inverse(column) for column in before.unbind(-1)], -1)  # [N, 2]
        sizes = _sizes(layout.sizes)
        ways = {
            way: _one_way(layout, sizes, way, *((after, before) if way else (before, after))) for way in set(reverse)
        }
        columns = zip(*(ways[way] for way in reverse), strict=True)
        return cls(sizes, *(torch.stack(column, 1) for column in columns))


def _sizes(lengths: Sequence[int]) -> list[int]:
    going_on = [sum(length > step for length in lengths) for step in range(max(lengths))]
    return [_round_up(number) for number in going_on]


def _round_up(number: int) -> int:
    """To at most 8 numbers from one power of two to the next."""
    unit = 1 << max(0, number.bit_length() - 4)
    return -(-number // unit) * unit


def _one_way(
    layout: Layout, sizes: Sequence[int], reverse: bool, earlier: Tensor, later: Tensor
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Rows ``[P]``, places ``[N]``, places of the rows ``earlier`` and ``later`` ``[N, 2]``: ``[P, 2]`` each."""
    starts = torch.tensor([0, *accumulate(sizes)]).to(layout.lengths.device, non_blocking=True)  # [U + 1]
    rank = layout.lengths.argsort(descending=True, stable=True).argsort()  # [B]
    last = layout.lengths[layout.conversation] - 1  # [N]
    step = last - layout.position if reverse else layout.position  # [N]
    place = starts[step] + rank[layout.conversation]  # [N]
    numbers = torch.cat([place.new_zeros(1), place + 1])  # [1 + N]
    row = torch.arange(1, len(numbers), device=place.device)  # [N]

    def at_places(values: Tensor) -> Tensor:
        return values.new_zeros(sum(sizes), *values.shape[1:]).index_copy(0, place, values)

    return at_places(row), numbers[1:], at_places(numbers[earlier + 1]), at_places(numbers[later + 1])


def _inverse(previous: Tensor) -> Tensor:
    """``[N]`` the row that has each row as its ``previous`` ``[N]``; -1 = none."""
    row = torch.arange(len(previous), device=previous.device)  # [N]
    none = row.new_full((len(row) + 1,), -1)  # [1 + N]; all rows without a previous one write to the first place
    return none.index_copy(0, previous + 1, row)[1:]  # [N]
