"""The rows of a batch, for loops over them."""

import torch


def values(inputs):
    """``{m: [N, D_m]}``."""
    return {name: stream.values for name, stream in inputs.streams.items()}


def talks(inputs):
    """The rows of each conversation."""
    ends = torch.tensor(inputs.layout.sizes).cumsum(0).tolist()
    return [list(range(end - size, end)) for end, size in zip(ends, inputs.layout.sizes, strict=True)]
