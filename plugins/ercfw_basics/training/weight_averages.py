"""Averages of the weights of a training, with which the watched splits are scored and the best weights are kept."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from ercfw import Callback, DataInfo, InputError, TrainingView

Epoch = Annotated[int, Field(ge=1)]


class _Average(Callback):
    """An average of the trained parameters of model and losses, in their place while the watched splits are scored."""

    def __init__(self, info: DataInfo) -> None:
        super().__init__(info)
        self._average: dict[str, Tensor] = {}
        self._own: dict[str, Tensor] = {}

    def start(self, view: TrainingView) -> None:
        """Begin with the initial weights."""
        self._average = {name: p.detach().clone() for name, p in _parameters(view).items()}

    @abstractmethod
    def is_ready(self, view: TrainingView) -> bool:
        """Return whether the average takes part in the scoring of this epoch."""

    @torch.no_grad()
    def before_scoring(self, view: TrainingView) -> None:
        """Put the average in the place of the weights."""
        if self.is_ready(view):
            parameters = _parameters(view)
            self._own = {name: p.detach().clone() for name, p in parameters.items()}
            for name, p in parameters.items():
                p.copy_(self._average[name])

    @torch.no_grad()
    def after_scoring(self, view: TrainingView) -> None:
        """Put the weights back."""
        for name, p in _parameters(view).items() if self._own else ():
            p.copy_(self._own[name])
        self._own = {}

    def state_dict(self) -> dict[str, Any]:
        """Return the average."""
        return {"average": self._average}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the average."""
        if state["average"].keys() != self._average.keys():
            raise ValueError("the average is of another model")
        for name, value in state["average"].items():
            self._average[name].copy_(value)


class EMA(_Average):
    """Scores and keeps an exponential moving average of the weights (Polyak and Juditsky, 1992; Tarvainen, 2017).

    After each step, the average becomes ``d * average + (1 - d) * weights``. The training itself goes on with the
    weights. Buffers, such as the statistics of batch normalisation, are those of the weights.

    Options:
        decay: d, the share of the average that stays.
        warmup: whether d is at most ``(1 + n) / (10 + n)`` after n steps, so that the average forgets the initial
            weights.
    """

    def __init__(
        self, info: DataInfo, *, decay: Annotated[float, Field(gt=0, lt=1)] = 0.999, warmup: bool = True
    ) -> None:
        super().__init__(info)
        self._decay, self._warmup = decay, warmup

    @torch.no_grad()
    def after_step(self, view: TrainingView) -> None:
        """Move the average towards the weights."""
        decay = min(self._decay, (1 + view.steps) / (10 + view.steps)) if self._warmup else self._decay
        for name, p in _parameters(view).items():
            self._average[name].lerp_(p, 1 - decay)

    def is_ready(self, view: TrainingView) -> bool:
        """Return True."""
        return True


class SWA(_Average):
    """Scores and keeps the mean of the weights at the ends of the last epochs (Izmailov et al., UAI 2018).

    The training itself goes on with the weights. Earlier epochs are scored with their own weights. A model with batch
    normalisation is refused: its statistics would be those of other weights.

    Options:
        from_epoch: the first epoch whose weights count; by default the first of the last quarter.
    """

    def __init__(self, info: DataInfo, *, from_epoch: Epoch | None = None) -> None:
        super().__init__(info)
        self._from_epoch, self._count = from_epoch, 0

    def start(self, view: TrainingView) -> None:
        """Check the model.

        Raises:
            InputError: it has batch normalisation, or the training ends before the first epoch that counts.
        """
        super().start(view)
        for name, module in view.model.named_modules():
            if isinstance(module, _BatchNorm) and module.track_running_stats:
                what = f"the model has batch normalisation ({name}), whose statistics do not fit averaged weights"
                raise InputError.at("use", what, "use a model without it")
        self._from_epoch = self._from_epoch or 1 + view.epochs * 3 // 4
        if self._from_epoch > view.epochs:
            what = f"is {self._from_epoch}, but the training has {view.epochs} epochs"
            raise InputError.at("from_epoch", what, "a smaller number")

    def is_ready(self, view: TrainingView) -> bool:
        """Return whether the epoch counts."""
        assert self._from_epoch is not None
        return view.epoch >= self._from_epoch

    @torch.no_grad()
    def before_scoring(self, view: TrainingView) -> None:
        """Add the weights of the epoch to the mean, and put the mean in their place."""
        if self.is_ready(view):
            self._count += 1
            for name, p in _parameters(view).items():
                self._average[name] += (p - self._average[name]) / self._count
        super().before_scoring(view)

    def state_dict(self) -> dict[str, Any]:
        """Return the mean and the number of epochs that it is of."""
        return {**super().state_dict(), "count": self._count}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the mean and its number of epochs."""
        super().load_state_dict(state)
        self._count = int(state["count"])


def _parameters(view: TrainingView) -> dict[str, nn.Parameter]:
    modules = {"model": view.model, "losses": view.losses}
    return {
        f"{of}.{name}": p for of, module in modules.items() for name, p in module.named_parameters() if p.requires_grad
    }
