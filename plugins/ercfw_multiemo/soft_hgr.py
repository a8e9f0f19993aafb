"""Soft-HGR (Wang et al., AAAI 2019) over the fused views, as MultiEMO uses it: equation 20, divided by N."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, Literal, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from ercfw import DataInfo, InputError, Loss, Outputs
from ercfw_basics import at_least_float32, fill_up, multiply, multiply_rows


class SoftHGR(Loss):
    """A loss that makes the views of each utterance agree, by maximising their Soft-HGR correlation.

    For every pair of views q and v, over the n utterances that have both, out of the N utterances of the batch::

        paper    -1/N (E[q . v] - 1/2 tr(cov(q) cov(v)))    q, v centred over the utterances, covariances
                                                            of features [D, D] divided by n - 1
        release  -1/N (1/n sum q . v - 1/(2n) tr(cov'(q) cov'(v)))    not centred, cov' [n, n] between
                                                            utterances, over the features

    The loss is the sum over all pairs. The released form is not a Soft-HGR, because its covariance treats utterances as
    variables. Labels are not read. With fewer than two views the loss is 0, and a pair with fewer than two utterances
    adds 0.

    Options:
        form: ``paper`` computes equation 20; ``release`` computes what the authors' code does.
        pairs: ``unordered`` counts each pair of views once, as the authors' code does; ``ordered`` counts it in both
            orders, as equation 20 may be read.

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
        """Return the loss ``[]``; 0 with zero gradients when there is no pair to compare."""
        views = {name: at_least_float32(view) for name, view in outputs.views.items()}  # [N, D] each
        if len({view.shape[1] for view in views.values()}) > 1:
            widths = ", ".join(f"{name} {view.shape[1]}" for name, view in views.items())
            raise InputError.at("soft-hgr", f"the views differ in width: {widths}", "give all the same width")
        total = torch.stack([view.sum() * 0.0 for view in views.values()]).sum()
        for names in _compared({name: outputs.present[name] for name in views}):
            real = torch.stack([outputs.present[name] for name in names], 1).all(1, keepdim=True)  # [N, 1]
            with torch.autocast(real.device.type, enabled=False):
                agreement = self.agreement(real, *(views[name] for name in names))
            total = total - self.times * torch.where(real.sum() > 1, agreement, 0.0) / len(real)
        return total


def _compared(present: Mapping[str, Tensor]) -> Sequence[tuple[str, ...]]:
    """Return groups of names of views to compare at once, each view of a group with each other one.

    All views form one group if their ``present`` ``[N]`` is the same. Otherwise every pair is a group of its own, and
    so it is where the host would have to wait for the device to compare ``present``.
    """
    first, *others = present.values()
    if len(others) > 1 and first.device.type == "cpu" and all(torch.equal(first, other) for other in others):
        return [tuple(present)]
    return list(combinations(present, 2))


def soft_hgr(real: Tensor, *views: Tensor) -> Tensor:
    """Return ``E[q . v] - 1/2 tr(cov(q) cov(v))`` as ``[]``, with q and v centred, summed over all pairs of views.

    The ``views`` are ``[N, D]`` each; ``real`` ``[N, 1]`` bool marks the utterances that count.
    """
    return cast(Tensor, _SoftHGR.apply(real, *views))  # type: ignore[no-untyped-call]


class _SoftHGR(torch.autograd.Function):
    """Soft-HGR that computes its gradients along with its value.

    This takes one covariance and one product per view, however many pairs there are. For a pair, the gradient with
    respect to the centred q is ``v / n - q cov(v) / (n - 1)``. It is centred too, so the backward of the centring
    changes nothing.
    """

    @staticmethod
    def forward(ctx: Any, real: Tensor, *views: Tensor) -> Tensor:
        count = real.sum()
        n, freedom = count.clamp(min=1), (count - 1).clamp(min=1)
        rows = len(real)
        centred = [fill_up(_centred(view, real, n)) for view in views]  # [N, D] each
        covariances = [multiply_rows(x, x) / freedom for x in centred]  # [D, D] each
        twice, gradients = real.new_zeros((), dtype=centred[0].dtype), []
        others = zip(_of_the_others(centred), _of_the_others(covariances), strict=True)
        for x, covariance, (v, of_v) in zip(centred, covariances, others, strict=True):
            # For symmetric A and B, tr(A B) is the sum of their elementwise product.
            twice += (x * v).sum() / n - (covariance * of_v).sum() / 2
            gradients.append((v / n).sub_(multiply(x, of_v / freedom))[:rows])  # [N, D]
        ctx.save_for_backward(*gradients)
        return twice / 2

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor | None, ...]:
        return None, *(upstream * gradient for gradient in ctx.saved_tensors)


def _of_the_others(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return, for each tensor, the sum of all others."""
    return [torch.stack([*tensors[:i], *tensors[i + 1 :]]).sum(0) for i in range(len(tensors))]


def _centred(x: Tensor, real: Tensor, n: Tensor) -> Tensor:
    """Return ``x`` ``[N, D]`` minus its mean over the n ``real`` rows ``[N, 1]``; the other rows are zero."""
    x = x.masked_fill(~real, 0.0)  # [N, D]
    return x.addmm_(real.to(x.dtype), x.sum(0, keepdim=True) / n, alpha=-1)  # [N, D]


def released_agreement(real: Tensor, *views: Tensor) -> Tensor:
    """Return ``1/n sum q . v - 1/(2n) tr(cov'(q) cov'(v))`` as ``[]``, with cov' ``[n, n]`` over the features.

    It is summed over all pairs of the ``views`` ``[N, D]``. ``real`` ``[N, 1]`` bool marks the n utterances that count.
    """
    rows = [view.masked_fill(~real, 0.0) for view in views]  # [N, D] each
    products = torch.stack([(q * v).sum() for q, v in combinations(rows, 2)]).sum()
    centred = [row - row.mean(1, keepdim=True) for row in rows]  # [N, D] each
    # tr(q q^T v v^T) = |q^T v|^2: the [N, N] matrices are not needed.
    squares = torch.stack([(q.T @ v).square().sum() for q, v in combinations(centred, 2)]).sum()
    trace = squares / max(views[0].shape[1] - 1, 1) ** 2
    return (products - trace / 2) / real.sum().clamp(min=1)
