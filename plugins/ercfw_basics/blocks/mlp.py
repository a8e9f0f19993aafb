"""The hidden layers of a multilayer perceptron."""

from itertools import pairwise

from torch import nn

from ercfw_basics.blocks.products import Linear


def mlp(dim: int, hidden: int, layers: int, dropout: float) -> nn.Sequential:
    """Build linear maps, each followed by ReLU and dropout: ``[N, dim] -> [N, hidden]``."""
    widths = [dim] + [hidden] * layers
    return nn.Sequential(
        *(
            layer
            for before, after in pairwise(widths)
            for layer in (Linear(before, after), nn.ReLU(), nn.Dropout(dropout))
        )
    )
