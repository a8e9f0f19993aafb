"""Float32 matrix products of a CPU, by whichever of PyTorch's libraries is quick on this processor."""

from collections.abc import Callable

import torch
from torch import Tensor

LOOSE = 4.0
"""How much larger than that of a plain product an error may be: sums in another order differ by less."""


def use_quick_products() -> bool:
    """Let oneDNN multiply float32 matrices where that is as exact as what PyTorch does by itself.

    By itself PyTorch takes MKL, which leaves half of an AMD processor unused. The only switch to oneDNN is one
    that also lets it round to bfloat16, which it does on processors that are quicker at that; so what it does
    here is tried out first.

    Returns:
        Whether oneDNN is used from here on.
    """
    matmul = getattr(torch.backends.mkldnn, "matmul", None)  # PyTorch 2.9 and later
    if matmul is None:
        return False
    plain, before = _error(torch.matmul), matmul.fp32_precision
    matmul.fp32_precision = "bf16"
    exact = _error(torch.matmul) <= LOOSE * plain
    if not exact:
        matmul.fp32_precision = before
    return exact


def _error(product: Callable[[Tensor, Tensor], Tensor]) -> float:
    """The largest error of a float32 product of ordinary numbers."""
    numbers = torch.Generator().manual_seed(0)
    x, y = torch.randn(64, 512, generator=numbers), torch.randn(512, 64, generator=numbers)
    return float((product(x, y).double() - x.double() @ y.double()).abs().max())
