"""The optimisers of ``torch.optim``, by the names of their classes in small letters."""

import torch
from torch.optim import Optimizer

LEFT_OUT = ("LBFGS", "SparseAdam")
"""LBFGS needs a function that computes the loss again, and SparseAdam reads sparse gradients only."""


def torch_optimizers() -> dict[str, type[Optimizer]]:
    """Return every optimiser that the installed torch has."""
    found = {name: value for name, value in vars(torch.optim).items() if isinstance(value, type)}
    return {
        name.lower(): value
        for name, value in sorted(found.items())
        if issubclass(value, Optimizer) and value is not Optimizer and name not in LEFT_OUT
    }
