"""Matrix products of rows on CPUs: by the faster library, and for few different numbers of rows.

torch multiplies float32 matrices with MKL, which does not use AVX-512 on processors that are not Intel's. oneDNN does,
and is as exact. But oneDNN generates code for every new shape, which takes up to a millisecond and half a mebibyte
each, and the number of rows changes from batch to batch. Rows of zeros therefore pad the rows to a multiple of
``EVEN``.
"""

from functools import cache
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

EVEN = 64
LARGE = 4096
"""Number of rows from which on nothing is padded: there the gain is small, and the copies take memory."""


class Linear(nn.Linear):
    """torch's linear layer, with the products of this module."""

    def forward(self, input: Tensor) -> Tensor:
        """Map ``[..., in] -> [..., out]``."""
        return linear(input, self.weight, self.bias)


def linear(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``x`` ``[..., I]`` times ``weight`` ``[O, I]`` transposed, plus the bias ``[O]``: ``[..., O]``.

    Behaves like ``torch.nn.functional.linear``, also under autocast, but can be differentiated only once.
    """
    device = x.device.type
    autocast = torch.is_autocast_enabled(device) and x.dtype != torch.float64  # as torch's autocast does
    dtype = torch.get_autocast_dtype(device) if autocast else x.dtype
    if not _is_ours(x, dtype) or not (autocast or weight.dtype == dtype):
        return F.linear(x, weight, bias)
    with torch.autocast(device, enabled=False):
        y: Tensor = _Linear.apply(x.reshape(-1, x.shape[-1]), weight, bias, dtype)  # type: ignore[no-untyped-call]
    return y if x.dim() == 2 else y.view(*x.shape[:-1], -1)


def multiply(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Return ``x`` ``[N, I]`` times ``weight`` ``[O, I]`` transposed, plus the bias ``[O]``: ``[N, O]``.

    No autograd graph is recorded.
    """
    if not _is_ours(x, weight.dtype):
        return F.linear(x.to(weight.dtype), weight, bias)
    product = _product(fill_up(x, weight.dtype), weight, bias)  # [N or more, O]
    return product.resize_(len(x), len(weight))


def multiply_rows(change: Tensor, x: Tensor) -> Tensor:
    """Return ``change`` ``[N, O]`` transposed times ``x`` ``[N, I]``: ``[O, I]``, the gradient of a weight.

    No autograd graph is recorded.
    """
    if not _is_ours(x, change.dtype):
        return change.t() @ x.to(change.dtype)
    return _product(fill_up(change, change.dtype).t(), fill_up(x, change.dtype).t())


def fill_up(x: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """Pad ``x`` ``[N, D]`` with rows of zeros to a multiple of ``EVEN`` rows; the result is contiguous.

    Nothing is padded on other devices than CPUs, or from ``LARGE`` rows on.

    Args:
        x: the rows.
        dtype: the dtype of the result; None = that of ``x``.
    """
    rows = len(x)
    more = -rows % EVEN if x.device.type == "cpu" and rows < LARGE else 0
    if not more:
        return x.to(dtype or x.dtype).contiguous()
    filled = x.new_empty(rows + more, x.shape[1], dtype=dtype)
    filled[:rows] = x
    filled[rows:] = 0
    return filled


class _Linear(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, dtype: torch.dtype) -> Tensor:
        filled, cast = fill_up(x, dtype), weight.to(dtype)
        ctx.save_for_backward(filled, cast)
        ctx.rows, ctx.dtypes = len(x), (x.dtype, weight.dtype)
        y = _product(filled, cast, None if bias is None else bias.to(dtype))  # [N or more, O]
        return y.resize_(len(x), len(weight))

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        of_x, of_weight = ctx.dtypes
        needs_x, needs_weight, needs_bias, _ = ctx.needs_input_grad
        by_bias = gradient.sum(0).to(of_weight) if needs_bias else None  # [O], rounded once, at the end
        gradient = fill_up(gradient, x.dtype)
        by_x = by_weight = None
        if needs_x:
            by_x = _product(gradient, weight.t()).resize_(ctx.rows, x.shape[1]).to(of_x)  # [N, I]
        if needs_weight:
            by_weight = _product(gradient.t(), x.t()).to(of_weight)  # [O, I]
        return by_x, by_weight, by_bias, None


def _product(x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    if x.dtype == torch.bfloat16:
        return F.linear(x, weight, bias)  # torch uses oneDNN here already
    product: Tensor = torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
    return product


def _is_ours(x: Tensor, dtype: torch.dtype) -> bool:
    """Return whether oneDNN should multiply these rows, instead of the library that torch would choose."""
    if x.device.type != "cpu" or not x.numel() or torch.compiler.is_compiling():
        return False
    return (dtype == torch.float32 and _mkl_is_slow()) or (dtype == torch.bfloat16 and _has_bf16())


@cache
def _mkl_is_slow() -> bool:
    about: dict[str, Any] = getattr(torch.cpu, "get_capabilities", dict)()  # older versions of torch lack it
    amd = bool(about.get("avx512_f")) and "AMD" in about["cpu_name"]
    return amd and bool(torch.backends.mkl.is_available()) and _has_onednn()  # type: ignore[no-untyped-call]


@cache
def _has_bf16() -> bool:
    return _has_onednn() and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())


def _has_onednn() -> bool:
    built = bool(torch.backends.mkldnn.is_available())  # type: ignore[no-untyped-call]
    return built and hasattr(torch.ops.mkldnn, "_linear_pointwise")
