"""A table of states, each of which goes on from another that an index names."""

from collections.abc import Sequence

import torch
from torch import Tensor


class States:
    """A table of states, to be filled step after step.

    Args:
        index: ``[N, K, J]`` int64, 1 + the place that each state goes on from; 0 = from zero.
        sizes: places of each step.
        width: D.
        like: a tensor of the states' dtype and device.

    Attributes:
        table: ``[N, K, J, D]``.
        steps: its places of each step ``[R, K, J, D]``.
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
        """What the states of a step go on from ``[R, K, J, D]``."""
        return self._flat.index_select(0, self._index_of_steps[step]).view_as(self.steps[step])

    def all_before(self) -> Tensor:
        """What all states went on from ``[N, K, J, D]``."""
        return self._flat.index_select(0, self._index.flatten()).view_as(self.table)
