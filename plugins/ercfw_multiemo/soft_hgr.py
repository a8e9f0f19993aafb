"""Soft-HGR (Wang et al., AAAI 2019) over the fused views, as MultiEMO uses it: equation 20 and its 1/N."""

from itertools import combinations
from typing import Any, Literal, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ercfw import DataInfo, InputError, Loss, Outputs
from ercfw_basics import fill_up, multiply, multiply_rows


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
                agreement = self.agreement(q, v, both)
            total = total - self.times * torch.where(both.sum() > 1, agreement, 0.0) / len(q)
        return total


def soft_hgr(q: Tensor, v: Tensor, real: Tensor) -> Tensor:
    """``E[q . v] - 1/2 tr(cov(q) cov(v))`` ``[]`` of ``q`` and ``v`` ``[N, D]``, centred.

    ``real`` ``[N, 1]`` bool marks the utterances that count.
    """
    return cast(Tensor, _SoftHGR.apply(q, v, real))  # type: ignore[no-untyped-call]


class _SoftHGR(torch.autograd.Function):
    """One number, so its gradient is made along with it.

    By centred q it is ``v / n - q cov(v) / (n - 1)``: centred too, so centring has nothing to add on the way back.
    """

    @staticmethod
    def forward(ctx: Any, q: Tensor, v: Tensor, real: Tensor) -> Tensor:
        count = real.sum()
        n, freedom = count.clamp(min=1), (count - 1).clamp(min=1)
        rows = len(q)
        q, v = (fill_up(_centred(x, real, n)) for x in (q, v))  # [N, D] each
        of_q, of_v = multiply_rows(q, q) / freedom, multiply_rows(v, v) / freedom  # [D, D] each
        if any(ctx.needs_input_grad):
            by_q = (v / n).sub_(multiply(q, of_v / freedom))  # [N, D]
            by_v = (q / n).sub_(multiply(v, of_q / freedom))  # [N, D]
            ctx.save_for_backward(by_q[:rows], by_v[:rows])
        # tr(A B) of symmetric A, B is the sum of their elementwise product.
        return (q * v).sum() / n - (of_q * of_v).sum() / 2

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, Tensor, None]:
        by_q, by_v = ctx.saved_tensors
        return upstream * by_q, upstream * by_v, None


def _centred(x: Tensor, real: Tensor, n: Tensor) -> Tensor:
    """``x`` ``[N, D]`` less its mean over the n ``real`` rows ``[N, 1]``; the others are zero."""
    x = x.masked_fill(~real, 0.0)  # [N, D]
    return x.addmm_(real.to(x.dtype), x.sum(0, keepdim=True) / n, alpha=-1)  # [N, D]


def released_agreement(q: Tensor, v: Tensor, real: Tensor) -> Tensor:
    """``1/n sum q . v - 1/(2n) tr(cov'(q) cov'(v))`` ``[]`` with cov' ``[n, n]`` over the features.

    ``real`` ``[N, 1]`` bool marks the n utterances that count.
    """
    q, v = q.masked_fill(~real, 0.0), v.masked_fill(~real, 0.0)  # [N, D] each
    products = (q * v).sum()
    q = q - q.mean(1, keepdim=True)  # [N, D]
    v = v - v.mean(1, keepdim=True)  # [N, D]
    # tr(q q^T v v^T) = |q^T v|^2: the [N, N] matrices are not needed.
    trace = (q.T @ v).square().sum() / max(q.shape[1] - 1, 1) ** 2
    return (products - trace / 2) / real.sum().clamp(min=1)
