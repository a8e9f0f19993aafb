"""Keep parts of a model as they are for some epochs."""

from collections.abc import Callable
from typing import Annotated

from pydantic import Field
from torch import nn

from ercfw import Callback, DataInfo, InputError, TrainingView, did_you_mean


class Freeze(Callback):
    """Does not train some parts, in the first epochs or at all.

    Their parameters get no gradient, so that the optimiser leaves them, their moments and their weight decay alone.
    Dropout and running statistics go on as in training.

    Options:
        parts: the tables of the parts, such as ``encoder.text``; a kind such as ``encoder`` means all its parts.
        until: the last epoch in which they are frozen; by default, that of the training.
    """

    def __init__(
        self,
        info: DataInfo,
        *,
        parts: Annotated[tuple[str, ...], Field(min_length=1)],
        until: Annotated[int, Field(ge=1)] | None = None,
    ) -> None:
        super().__init__(info)
        self._parts, self._until = parts, until
        self._frozen: list[nn.Parameter] = []

    def start(self, view: TrainingView) -> None:
        """Find the parameters.

        Raises:
            InputError: there is no such part, or nothing is left to train.
        """
        self._frozen = []
        for name in self._parts:
            found = [part for table, part in view.parts.items() if name in (table, table.partition(".")[0])]
            if not found:
                raise InputError.at("parts", f"there is no part '{name}'", did_you_mean(name, view.parts))
            self._frozen += [p for part in found for p in part.parameters()]
        if self._until is None and {id(p) for p in view.parameters()} <= {id(p) for p in self._frozen}:
            raise InputError.at("parts", "leave nothing to train", "set until, or leave a part out")

    def after_backward(self, view: TrainingView, backward: Callable[[], None]) -> None:
        """Remove the gradients, so that callbacks that follow do not see them."""
        self.before_step(view)

    def before_step(self, view: TrainingView) -> None:
        """Remove the gradients."""
        if self._until is None or view.epoch <= self._until:
            for p in self._frozen:
                p.grad = None
