"""Float32 for operations that bf16 cannot do."""

import torch
from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """Return ``x`` in float32 or wider: for sums, softmax and arccos under autocast."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
