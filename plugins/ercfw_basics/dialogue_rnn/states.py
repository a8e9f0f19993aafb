"""A table of states, each of which continues an earlier state that an index names."""

from collections.abc import Sequence

import torch
from torch import Tensor


class States:
    """A table of states that is filled step by step.

    Args:
        index: ``[N, K, J]`` int64, 1 + the place of the state that each state continues; 0 = starts from zero.
        sizes: number of places of each step.
        width: D.
        like: a tensor with the states' dtype and device.

    Attributes:
        table: ``[N, K, J, D]``.
        steps: the places of each step in the table, ``[R, K, J, D]`` each.
    """

    def __init__(self, index: Tensor, sizes: Sequence[int], width: int, like: Tensor) -> None:
        places, networks, cells = index.shape
        with_zero = like.new_empty(1 + places, networks, cells, width)
        with_zero[0] = 0
        self.table = with_zero[1:]
        self.steps = torch.split(self.table, list(sizes))
        column = torch.arange(networks * cells, device=index.device).view(networks, cells)
        self._flat = with_zero.flatten(0, 2)  # [(1 + N) * K * J, D]
        self._index = (index * column.numel() + column).flatten(1)  # [N, K * J]
        self._index_of_steps = [part.flatten() for part in torch.split(self._index, list(sizes))]

    def before(self, step: int) -> Tensor:
        """Return the states that the states of a step continue, ``[R, K, J, D]``."""
        return self._flat.index_select(0, self._index_of_steps[step]).view_as(self.steps[step])

    def all_before(self) -> Tensor:
        """Return the states that all states continue, ``[N, K, J, D]``."""
        return self._flat.index_select(0, self._index.flatten()).view_as(self.table)
