"""Contrast between the rows of a batch in bounded memory, for supervised contrastive losses."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from ercfw_basics.blocks.products import fill_up, multiply, multiply_rows

Block = Annotated[int, Field(ge=1)]
"""Rows whose pairs are held in memory at once.

Peak memory is a few times ``block x N`` numbers. Values do not depend on it.
"""

FEW = 128
"""Labels with fewer rows than this are processed together with neighbouring labels."""


def contrast(
    z: Tensor, label: Tensor, weight: Tensor, *, temperature: float, focus: float = 0.0, block: Block = 1024
) -> Tensor:
    """Return the contrastive loss of rows with the same label against all labelled rows: ``[]``.

    Let A(i) be all labelled rows except i, and P(i) the rows of A(i) that have the label of i::

        s_ij = softmax over j in A(i) of (z_i . z_j / temperature)
        result = -sum_i weight_i 1/|P(i)| sum_{j in P(i)} (1 - s_ij)^focus log s_ij

    A row with an empty P(i) adds 0. The result and its gradients are finite whenever the products z_i . z_j are.

    Args:
        z: ``[N, E]``, float32 or float64.
        label: ``[N]`` int64; negative = unlabelled.
        weight: ``[N]``, in the dtype of z; receives no gradient.
        temperature: divides the products.
        focus: how much more a hard pair counts than an easy one; 0 = all pairs count alike.
        block: rows whose pairs are held in memory at once.
    """
    with torch.autocast(z.device.type, enabled=False):
        return _Contrast.apply(z, label, weight, temperature, focus, block)  # type: ignore[no-any-return, no-untyped-call]


class _Contrast(torch.autograd.Function):
    """The loss is a single number, so its gradient is computed in the forward pass, block of pairs by block of pairs.

    Rows are sorted by label. Most pairs are of two different labels and need only the softmax.
    """

    @staticmethod
    def forward(
        ctx: Any, z: Tensor, label: Tensor, weight: Tensor, temperature: float, focus: float, block: int
    ) -> Tensor:
        count = len(z)
        label, order = label.clamp(min=-1).sort(descending=True)
        z = fill_up(z[order])  # the added rows are unlabelled and change nothing
        label, weight = (F.pad(x, (0, len(z) - count), value=-1) for x in (label, weight[order]))  # [N] each
        share = _shares(label, weight)  # [N]
        # Half the most negative number, not -inf: if a row has nothing to contrast with, a softmax over -inf is NaN.
        away = torch.finfo(z.dtype).min / 2
        bias = torch.zeros_like(weight).masked_fill(label < 0, away)  # [N]
        runs = _label_runs(label)
        result, dz = z.new_zeros(()), torch.zeros_like(z)
        for start in range(0, len(z), block):
            rows = slice(start, start + block)
            scores = multiply(z[rows] / temperature, z, bias)  # [block, N]
            scores.diagonal(start).fill_(away)
            value, slope = _pairs(scores, label, share, start, runs, focus)
            result += value
            if ctx.needs_input_grad[0] and len(slope) == len(z):
                dz = multiply(slope.add_(slope.t().contiguous()), z.t())
            elif ctx.needs_input_grad[0]:
                dz[rows] += multiply(slope, z.t())
                dz += multiply_rows(slope, z[rows])
        ctx.save_for_backward(dz[order.argsort()])
        ctx.temperature = temperature
        return result

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        (dz,) = ctx.saved_tensors
        return dz * (upstream / ctx.temperature), None, None, None, None, None


def _shares(label: Tensor, weight: Tensor) -> Tensor:
    """Return the weight of a pair of each row with another row of its label: ``[N]``.

    The labels ``[N]`` must be sorted in descending order.
    """
    rising = -label  # [N]
    alike = torch.searchsorted(rising, rising, right=True) - torch.searchsorted(rising, rising)  # [N], itself included
    return torch.where(label >= 0, weight / (alike - 1).clamp(min=1), 0.0)  # [N]


def _label_runs(label: Tensor) -> list[slice]:
    """Split the rows into runs such that no label occurs in two runs.

    The labels ``[N]`` must be sorted in descending order.
    """
    if label.device.type != "cpu":
        return [slice(0, len(label))]  # finding more runs would make the host wait for the device
    starts = [0]
    for end in torch.unique_consecutive(label, return_counts=True)[1].cumsum(0).tolist():
        if end - starts[-1] >= FEW:
            starts.append(end)
    return [slice(*run) for run in pairwise([*starts, len(label)])]


def _pairs(
    scores: Tensor, label: Tensor, share: Tensor, start: int, runs: Sequence[slice], focus: float
) -> tuple[Tensor, Tensor]:
    """Return the sum of ``-share (1 - s)^focus log s`` ``[]`` over pairs of one label, and its gradient by the scores.

    Scores and gradient are ``[block, N]``, for the rows from ``start`` on. The scores are overwritten.
    """
    s = scores.softmax(1)  # [block, N]
    log_sum = scores.amax(1, keepdim=True) - s.amax(1, keepdim=True).log_()  # [block, 1]
    value, total = s.new_zeros(()), torch.zeros_like(log_sum)
    slopes = []
    for run in runs:
        first, stop = max(run.start - start, 0), min(run.stop - start, len(s))
        if first >= stop:
            continue
        rows, own = slice(first, stop), slice(start + first, start + stop)
        alike = label[own, None] == label[run]  # [rows, run]
        alike.diagonal(own.start - run.start).fill_(False)
        weight = torch.where(alike, share[own, None], 0.0)  # [rows, run]
        log_s = scores[rows, run].sub_(log_sum[rows])  # [rows, run]
        part, slope = _focal(log_s, s[rows, run], weight, focus)
        value += part
        total[rows] = slope.sum(1, keepdim=True)
        slopes.append((s[rows, run], slope))
    s *= -total
    for place, slope in slopes:
        place += slope
    return value, s


def _focal(log_s: Tensor, s: Tensor, weight: Tensor, focus: float) -> tuple[Tensor, Tensor]:
    """Return the sum of ``-weight (1 - s)^focus log s`` ``[]``, and its derivatives by ``log s``; all ``[rows, run]``.

    The weights are overwritten.
    """
    if not focus:
        return -(weight * log_s).sum(), -weight
    rest = torch.expm1(log_s).neg_().clamp_(min=torch.finfo(s.dtype).tiny)  # [rows, run], 1 - s
    weight *= rest**focus
    value = -(weight * log_s).sum()  # []
    # (1 - s)^focus (focus s log s / (1 - s) - 1) is finite even where a power below 1 has no derivative,
    # because s log s / (1 - s) stays within [-1, 0].
    return value, torch.addcdiv(s.new_full((), -1), log_s * s, rest, value=focus).mul_(weight)
