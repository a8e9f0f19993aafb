"""Make and step the learning rate schedule of a ``[train]`` table."""

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, ReduceLROnPlateau, SequentialLR

from ercfw.errors import ErcfwError, InputError, RunError, cause_of
from ercfw.recipe.train_tables import SchedulePart, Train
from ercfw.registry.options import constructor_arguments
from ercfw.registry.resolve import ResolvedPart
from ercfw.registry.torch_parts import COMPUTED


class Schedule(Protocol):
    """A learning rate schedule: it follows the optimiser's steps, and the epochs with their losses."""

    def step(self) -> None:
        """Advance the schedule by an optimiser step."""
        ...

    def epoch(self, loss: float) -> None:
        """Advance the schedule by an epoch that ended with this loss."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Return the state that a resume needs."""
        ...

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state that ``state_dict`` returned."""
        ...


@dataclass
class ShortSchedule:
    """Constant, cosine or plateau: one scheduler steps with the optimiser, one reads a loss after each epoch."""

    each_step: LRScheduler | None
    plateau: ReduceLROnPlateau | None

    def step(self) -> None:
        """Advance the schedule by an optimiser step."""
        if self.each_step is not None:
            self.each_step.step()

    def epoch(self, loss: float) -> None:
        """Advance the schedule by an epoch that ended with this loss."""
        if self.plateau is not None:
            self.plateau.step(loss)

    def state_dict(self) -> dict[str, Any]:
        """Return the state that a resume needs."""
        schedulers = {"each_step": self.each_step, "plateau": self.plateau}
        return {name: scheduler.state_dict() for name, scheduler in schedulers.items() if scheduler is not None}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state that ``state_dict`` returned."""
        if self.each_step is not None:
            self.each_step.load_state_dict(state["each_step"])
        if self.plateau is not None:
            self.plateau.load_state_dict(state["plateau"])


@dataclass
class PluginSchedule:
    """The schedule of a plugin, which begins when the warm-up has ended.

    Attributes:
        scheduler: the schedule itself.
        name: its name in the recipe.
        each_step: whether it is stepped after each step of the optimiser; otherwise after each epoch.
        warmup: the linear warm-up before it.
        left: the number of steps that the warm-up still takes.
    """

    scheduler: LRScheduler
    name: str
    each_step: bool
    warmup: LinearLR | None = None
    left: int = 0
    _reads_loss: bool = field(init=False)

    def __post_init__(self) -> None:
        self._reads_loss = reads_loss(type(self.scheduler))

    def step(self) -> None:
        """Advance the schedule by an optimiser step."""
        if self.warmup is not None and self.left:
            self.warmup.step()
            self.left -= 1
        elif self.each_step:
            self._advance()

    def epoch(self, loss: float) -> None:
        """Advance the schedule by an epoch that ended with this loss."""
        if not self.each_step and not self.left:
            self._advance(*([loss] if self._reads_loss else []))

    def _advance(self, *loss: float) -> None:
        try:
            self.scheduler.step(*loss)  # type: ignore[arg-type]
        except Exception as error:
            raise RunError(f"[train.schedule] schedule '{self.name}' failed: {cause_of(error)}") from error

    def state_dict(self) -> dict[str, Any]:
        """Return the state that a resume needs."""
        warmup = {} if self.warmup is None else {"warmup": self.warmup.state_dict(), "left": self.left}
        return {"scheduler": self.scheduler.state_dict(), **warmup}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state that ``state_dict`` returned."""
        self.scheduler.load_state_dict(state["scheduler"])
        if self.warmup is not None:
            self.warmup.load_state_dict(state["warmup"])
            self.left = int(state["left"])


def reads_loss(cls: type[LRScheduler]) -> bool:
    """Return whether ``step`` of a schedule needs a metric, as that of ``ReduceLROnPlateau``."""
    parameters = [*inspect.signature(cls.step).parameters.values()][1:]
    return bool(parameters) and parameters[0].default is inspect.Parameter.empty


def make_schedule(
    settings: Train, part: ResolvedPart[LRScheduler] | None, optimizer: Optimizer, steps: Sequence[int]
) -> Schedule:
    """Make the schedule: a linear warm-up, and then the schedule of a plugin, or one of the short ones.

    The short ones are: constant, cosine to 0, or by plateaus of the watched loss.

    Args:
        settings: ``[train]``.
        part: the schedule of a plugin; None = one of the short ones.
        optimizer: the optimiser.
        steps: the number of steps of each epoch.

    Raises:
        InputError: the schedule refuses an option, or needs a loss after each step.
        RunError: the code of the schedule failed.
    """
    warmup = round(settings.warmup * (sum(steps) / len(steps)))
    if part is not None:
        return _plugin_schedule(settings, part, optimizer, steps, warmup)
    each_step: LRScheduler | None = _linear(optimizer, warmup) if warmup else None
    if settings.schedule == "cosine":
        cosine = CosineAnnealingLR(optimizer, T_max=max(1, sum(steps) - warmup))
        each_step = SequentialLR(optimizer, [each_step, cosine], [warmup]) if each_step is not None else cosine
    plateau = None
    if settings.schedule == "plateau":
        plateau = ReduceLROnPlateau(
            optimizer,
            factor=settings.plateau_factor,
            patience=settings.plateau_patience,
            threshold=settings.plateau_threshold,
        )
    return ShortSchedule(each_step, plateau)


def _linear(optimizer: Optimizer, warmup: int) -> LinearLR:
    return LinearLR(optimizer, start_factor=1 / (warmup + 1), total_iters=warmup)


def _plugin_schedule(
    settings: Train, part: ResolvedPart[LRScheduler], optimizer: Optimizer, steps: Sequence[int], warmup: int
) -> PluginSchedule:
    factory, name, place = part.component.factory, part.component.name, f"[{part.table}]"
    chosen = settings.schedule.each if isinstance(settings.schedule, SchedulePart) else None
    each = str(chosen or getattr(factory, "each", "epoch"))
    if each == "step" and reads_loss(factory):
        what = f"'{name}' needs the loss of the watched split, which is known after each epoch only"
        raise InputError.at(f"{place} each", what, 'each = "epoch"')
    options = constructor_arguments(part.options)
    computed = [key for key in COMPUTED if key in options and options[key] is None]
    options |= dict.fromkeys(computed, _own_steps(each, steps, warmup))
    try:
        scheduler: LRScheduler = factory(optimizer, **options)
        begun = _linear(optimizer, warmup) if warmup else None  # lowers the rate that the schedule begins with
    except ErcfwError:
        raise
    except (ValueError, TypeError) as error:  # as torch reports an option out of its range
        raise InputError.at(place, f"schedule '{name}' refuses its settings: {error}") from error
    except Exception as error:
        raise RunError(f"{place} schedule '{name}' failed: {cause_of(error)}") from error
    return PluginSchedule(scheduler, name, each == "step", begun, warmup)


def _own_steps(each: str, steps: Sequence[int], warmup: int) -> int:
    """Return how often a schedule is stepped in a training whose warm-up takes ``warmup`` steps; at least once."""
    if each == "step":
        return max(1, sum(steps) - warmup)
    ends = [sum(steps[: epoch + 1]) for epoch in range(len(steps))]
    return max(1, sum(end >= warmup for end in ends))
