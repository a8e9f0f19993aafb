"""What half the bits do not do."""

import torch
from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """For sums, softmax and arccos under autocast."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
