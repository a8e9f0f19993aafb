"""Random noise on the gradients."""

from typing import Annotated

import torch
from pydantic import Field

from ercfw import Callback, DataInfo, TrainingView


class GradientNoise(Callback):
    """Adds normal noise to each gradient, which becomes smaller from step to step (Neelakantan et al., 2015).

    The variance in step t, counted from 0, is ``eta / (1 + t) ** gamma``. The noise is added before the
    gradients are clipped, and is the same in every process.

    Options:
        eta: the variance in the first step; the paper tries 0.01, 0.3 and 1.
        gamma: how fast the variance falls.
    """

    def __init__(
        self,
        info: DataInfo,
        *,
        eta: Annotated[float, Field(gt=0)] = 0.01,
        gamma: Annotated[float, Field(ge=0)] = 0.55,
    ) -> None:
        super().__init__(info)
        self._eta, self._gamma = eta, gamma

    def before_step(self, view: TrainingView) -> None:
        """Add the noise."""
        deviation = (self._eta / view.steps**self._gamma) ** 0.5 * view.gradient_scale
        generator = view.generator()
        for p in view.parameters():
            noise = torch.randn(p.shape, generator=generator)
            if p.grad is not None:
                p.grad.add_(noise.to(p.grad), alpha=deviation)
