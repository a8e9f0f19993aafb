"""Contrast between the rows of a batch, which supervised contrastive losses share, in bounded memory."""

from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from ercfw_basics.products import fill_up, multiply, multiply_rows

Block = Annotated[int, Field(ge=1)]
"""Rows whose pairs are held at once: peak memory is a few times ``block x N`` numbers, values do not change."""


def contrast(
    z: Tensor, label: Tensor, weight: Tensor, *, temperature: float, focus: float = 0.0, block: int = 512
) -> Tensor:
    """How far the rows of a label are from each other, seen from all labelled rows: ``[]``.

    With A(i) the labelled rows but i, and P(i) those of i's label among them::

        s_ij = softmax over j in A(i) of (z_i . z_j / temperature)
        result = -sum_i weight_i 1/|P(i)| sum_{j in P(i)} (1 - s_ij)^focus log s_ij

    A row with P(i) empty gives 0. Finite, gradients too, for any z whose products are.

    Args:
        z: ``[N, E]``, float32 or float64.
        label: ``[N]`` int64, negative = unlabelled.
        weight: ``[N]``, of z's type; without a gradient.
        temperature: divides the products.
        focus: how much more a hard pair counts; 0 = all alike.
        block: rows whose pairs are held at once.
    """
    with torch.autocast(z.device.type, enabled=False):
        return _Contrast.apply(z, label, weight, temperature, focus, block)  # type: ignore[no-any-return, no-untyped-call]


class _Contrast(torch.autograd.Function):
    """The result is one number, so its gradient is made along with it, block of pairs by block of pairs."""

    @staticmethod
    def forward(
        ctx: Any, z: Tensor, label: Tensor, weight: Tensor, temperature: float, focus: float, block: int
    ) -> Tensor:
        count = len(z)
        z = fill_up(z)  # the rows that come on are not labelled, and change nothing
        label, weight = (F.pad(x, (0, len(z) - count), value=-1) for x in (label, weight))  # [N] each
        known = label >= 0  # [N]
        weight = torch.where(known, weight, 0.0)  # [N]
        # Half the least number, not -inf: with nothing to contrast with, a softmax over -inf alone is NaN.
        away = torch.finfo(z.dtype).min / 2
        bias = torch.zeros_like(weight).masked_fill(~known, away)  # [N]
        result, dz = z.new_zeros(()), torch.zeros_like(z)
        for start in range(0, len(z), block):
            rows = slice(start, start + block)
            scores = multiply(z[rows] / temperature, z, bias)  # [block, N]
            scores.diagonal(start).fill_(away)
            alike = label[rows, None] == label  # [block, N]
            alike.diagonal(start).fill_(False)
            share = weight[rows] / alike.sum(1).clamp(min=1)  # [block]
            value, slope = _pairs(scores.log_softmax(1), torch.where(alike, share.unsqueeze(1), 0.0), focus)
            result += value
            if ctx.needs_input_grad[0]:
                dz[rows] += multiply(slope, z.T)
                dz += multiply_rows(slope, z[rows])
        dz /= temperature
        ctx.save_for_backward(dz[:count])
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        (dz,) = ctx.saved_tensors
        return upstream * dz, None, None, None, None, None


def _pairs(log_s: Tensor, weight: Tensor, focus: float) -> tuple[Tensor, Tensor]:
    """The weighted sum of ``-(1 - s)^focus log s`` ``[]``, and its slopes along the scores ``[block, N]``.

    Both arguments ``[block, N]`` are used up: nothing here is larger than a block, and little is new.
    """
    s = log_s.exp()  # [block, N]
    rest = torch.expm1(log_s).neg_().clamp_(min=torch.finfo(s.dtype).tiny)  # [block, N], 1 - s
    if focus:
        weight *= rest**focus
    value = -torch.dot(weight.flatten(), log_s.flatten())  # []
    # d/d(log s) of -(1 - s)^focus log s is (1 - s)^focus (focus s log s / (1 - s) - 1): finite, as the
    # quotient stays within [-1, 0], even where a power below 1 has no slope.
    slope = torch.addcdiv(s.new_full((), -1), log_s.mul_(s), rest, value=focus).mul_(weight)  # [block, N]
    return value, slope.addcmul_(s, slope.sum(1, keepdim=True), value=-1)
