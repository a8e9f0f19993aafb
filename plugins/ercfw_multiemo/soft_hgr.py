"""Soft-HGR (Wang et al., AAAI 2019) over the fused views, as MultiEMO uses it: equation 20 and its 1/N."""

from itertools import combinations
from typing import Any, Literal, cast

import torch
from torch import Tensor

from ercfw import DataInfo, InputError, Loss, Outputs


class SoftHGR(Loss):
    """Makes the views of an utterance tell the same: maximises their Soft-HGR correlation.

    For every two views q and v, over the n utterances that have both, of the N of the batch::

        paper    -1/N (E[q . v] - 1/2 tr(cov(q) cov(v)))    q, v centred over the utterances, covariances
                                                            of features [D, D] over n - 1
        release  -1/N (1/n sum q . v - 1/(2n) tr(cov'(q) cov'(v)))    not centred, cov' [n, n] between
                                                            utterances, over the features

    summed. The release's is not a Soft-HGR: its covariance takes utterances for variables. Labels are
    not read. With fewer than two views, a pair with fewer than two utterances, there is 0 to add.

    Options:
        form: the paper's equation 20, or what the authors' code computes.
        pairs: each two views once, as released, or in both orders, as equation 20 may be read.

    Raises:
        InputError: the views differ in width.
    """

    requires = ("views",)

    def __init__(
        self,
        target: str,
        info: DataInfo,
        *,
        form: Literal["paper", "release"] = "paper",
        pairs: Literal["unordered", "ordered"] = "unordered",
    ) -> None:
        super().__init__(target, info)
        self.agreement = soft_hgr if form == "paper" else released_agreement
        self.times = 2 if pairs == "ordered" else 1

    def forward(self, outputs: Outputs, targets: dict[str, Tensor]) -> Tensor:
        """``[]``; 0 with gradients of zero when there is no pair to compare."""
        views = {
            name: view.to(torch.promote_types(view.dtype, torch.float32)) for name, view in outputs.views.items()
        }  # [N, D] each
        if len({view.shape[1] for view in views.values()}) > 1:
            widths = ", ".join(f"{name} {view.shape[1]}" for name, view in views.items())
            raise InputError.at("soft-hgr", f"the views differ in width: {widths}", "make them equal")
        total = torch.stack([view.sum() * 0.0 for view in views.values()]).sum()
        for (name, q), (other, v) in combinations(views.items(), 2):
            both = (outputs.present[name] & outputs.present[other]).unsqueeze(1)  # [N, 1]
            with torch.autocast(q.device.type, enabled=False):
                agreement = self.agreement(q.masked_fill(~both, 0.0), v.masked_fill(~both, 0.0), both)
            total = total - self.times * torch.where(both.sum() > 1, agreement, 0.0) / len(q)
        return total


def soft_hgr(q: Tensor, v: Tensor, real: Tensor) -> Tensor:
    """``E[q . v] - 1/2 tr(cov(q) cov(v))`` ``[]`` of ``q`` and ``v`` ``[N, D]`` after centring.

    ``real`` ``[N, 1]`` bool marks the utterances that count; the others' rows are zero.
    """
    count = real.sum()
    q, v = _centred(q, real), _centred(v, real)  # [N, D] each
    # tr(A B) of symmetric A, B is the sum of their elementwise product.
    trace = (_products(q) * _products(v)).sum() / (count - 1).clamp(min=1) ** 2
    return (q * v).sum() / count.clamp(min=1) - trace / 2


def released_agreement(q: Tensor, v: Tensor, real: Tensor) -> Tensor:
    """``1/n sum q . v - 1/(2n) tr(cov'(q) cov'(v))`` ``[]`` with cov' ``[n, n]`` over the features.

    ``real`` ``[N, 1]`` bool marks the n utterances that count; the others' rows are zero.
    """
    count = real.sum().clamp(min=1)
    products = (q * v).sum()
    q = q - q.mean(1, keepdim=True)  # [N, D]
    v = v - v.mean(1, keepdim=True)  # [N, D]
    # tr(q q^T v v^T) = |q^T v|^2: the [N, N] matrices are not needed.
    trace = (q.T @ v).square().sum() / max(q.shape[1] - 1, 1) ** 2
    return (products - trace / 2) / count


def _centred(x: Tensor, real: Tensor) -> Tensor:
    """``x`` ``[N, D]`` less its mean over the ``real`` rows ``[N, 1]``; the others stay zero."""
    rows = real.to(x.dtype)  # [N, 1]
    mean = x.sum(0, keepdim=True) / rows.sum().clamp(min=1)  # [1, D]
    return torch.addmm(x, rows, mean, alpha=-1)  # [N, D]


def _products(x: Tensor) -> Tensor:
    """``x^T x``: ``[N, D] -> [D, D]``."""
    return cast(Tensor, _Products.apply(x))  # type: ignore[no-untyped-call]


class _Products(torch.autograd.Function):
    """``x^T x`` whose gradient is one matrix product; of ``x.T @ x`` it is two."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return x.T @ x

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return cast(Tensor, x @ (upstream + upstream.T))
