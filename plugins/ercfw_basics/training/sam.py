"""Sharpness-aware minimisation."""

from collections.abc import Callable
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ercfw import Callback, DataInfo, TrainingView


class SAM(Callback):
    """Steps with the gradient at the weights of highest loss nearby (Foret et al., ICLR 2021).

    The gradient g of the whole batch gives ``e = rho * g / |g|_2`` (equation 2); the optimiser steps from w with the
    gradient at ``w + e``. With ``adaptive``, ``e = rho * w^2 * g / |w * g|_2``, elementwise (Kwon et al., ICML 2021,
    without their small constant). A step takes about twice as long. The losses in the history are those at w.

    Options:
        rho: the size of e.
        adaptive: whether each weight is moved in proportion to its size.
    """

    def __init__(self, info: DataInfo, *, rho: Annotated[float, Field(gt=0)] = 0.05, adaptive: bool = False) -> None:
        super().__init__(info)
        self._rho, self._adaptive = rho, adaptive

    def after_backward(self, view: TrainingView, backward: Callable[[], None]) -> None:
        """Replace the gradients by those at ``w + e``."""
        moved = [(p, p.grad) for p in view.parameters() if p.grad is not None]
        norms = [(g * p.detach().abs() if self._adaptive else g).float().norm() for p, g in moved]
        norm = torch.stack(norms).norm() if norms else torch.zeros(())
        if not (norm.isfinite() and norm > 0):  # under fp16, a step with infinite gradients is skipped anyway
            return
        before = [p.detach().clone() for p, _ in moved]
        try:
            for p, g in moved:
                self._move(p, g, norm)
            view.optimizer.zero_grad()
            backward()
        finally:
            with torch.no_grad():
                for (p, _), own in zip(moved, before, strict=True):
                    p.copy_(own)

    @torch.no_grad()
    def _move(self, p: Tensor, g: Tensor, norm: Tensor) -> None:
        scale = self._rho / norm
        p.add_(p.square() * g * scale if self._adaptive else g * scale)
