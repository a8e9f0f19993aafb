"""Save the state of a training between two steps, and resume from it."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from torch import Size, Tensor

from ercfw.errors import InputError, Mistake
from ercfw.results.history import EpochEntry
from ercfw.results.run_folder import previous_of
from ercfw.system.files import still_there
from ercfw.system.validation import in_short
from ercfw.training.checkpoint import load_state, save_state
from ercfw.training.state import Listeners, Training

STRICT = ConfigDict(strict=True, arbitrary_types_allowed=True)


class Underway(BaseModel):
    """The current epoch."""

    model_config = STRICT

    epoch: int
    lr: float
    steps: Annotated[int, Field(ge=0)]
    seconds: float
    totals: dict[str, float]


class State(BaseModel):
    """The content of a checkpoint: everything that determines later steps."""

    model_config = STRICT

    scaler: dict[str, Any]
    model: dict[str, Tensor]
    losses: dict[str, Tensor]
    optimizer: dict[str, Any]
    schedule: dict[str, Any]
    parts: Annotated[int, Field(ge=1)]
    best: dict[str, Tensor]
    best_losses: dict[str, Tensor]
    best_epoch: int
    history: list[EpochEntry]
    underway: Underway | Annotated[dict[str, Any], Field(max_length=0)]
    order: list[int] = Field(default_factory=list)
    sampler: dict[str, Any] = Field(default_factory=dict)
    callbacks: dict[str, dict[str, Any]] = Field(default_factory=dict)
    ended: bool = False


def save(training: Training, path: Path) -> None:
    """Write a checkpoint with everything that determines later steps.

    It holds no random number generator: random numbers depend only on seed, epoch, step and process.

    Raises:
        RunError: the file cannot be written.
    """
    still_there(path.parent)
    scaler = training.accelerator.scaler
    state: dict[str, Any] = {
        "scaler": scaler.state_dict() if scaler is not None else {},
        "model": training.accelerator.unwrap_model(training.model).state_dict(),
        "losses": training.losses.state_dict(),
        "optimizer": training.optimizer.state_dict(),
        "schedule": training.schedule.state_dict(),
        "parts": training.memory.parts,
        "best": training.best,
        "best_losses": training.best_losses,
        "best_epoch": training.best_epoch,
        "history": training.history,
        "underway": training.underway,
    }
    if training.sampler is not None:  # without one, the order depends only on seed and epoch
        state |= {"order": training.order, "sampler": training.sampler.state_dict()}
    if training.callbacks:
        state["callbacks"] = {name: callback.state_dict() for name, callback in training.callbacks.items()}
        state["ended"] = training.ended
    save_state(path, state)


def resume(training: Training, path: Path, listeners: Listeners) -> None:
    """Restore a training from its last checkpoint, or from the previous one if the last one is damaged.

    Raises:
        InputError: both checkpoints are damaged, or they are of another model.
    """
    saved = _last_intact(path, listeners)
    try:
        state = State.model_validate(saved)
        _check(state, training)
        training.accelerator.unwrap_model(training.model).load_state_dict(saved["model"])
        training.losses.load_state_dict(saved["losses"])
        training.optimizer.load_state_dict(saved["optimizer"])
        training.schedule.load_state_dict(saved["schedule"])
        if training.accelerator.scaler is not None:
            training.accelerator.scaler.load_state_dict(saved["scaler"])
        if training.sampler is not None:
            training.sampler.load_state_dict(state.sampler)
            training.order = state.order
        for name, callback in training.callbacks.items():
            callback.load_state_dict(state.callbacks[name])
    except Exception as error:  # torch raises almost any exception for the state of another model
        raise InputError.at(path, f"does not fit this recipe: {in_short(error)}", "--force starts anew") from error
    training.memory.parts = saved["parts"]
    training.best, training.best_losses = saved["best"], saved["best_losses"]
    training.best_epoch = saved["best_epoch"]
    training.history, training.underway = saved["history"], saved["underway"]
    training.ended = state.ended


def _check(saved: State, training: Training) -> None:
    """Check what training relies on and torch does not check.

    Raises:
        ValueError: the checkpoint does not fit.
    """
    own = training.accelerator.unwrap_model(training.model).state_dict(), training.losses.state_dict()
    for best, now in zip((saved.best, saved.best_losses), own, strict=True):
        if _shapes(best) != (_shapes(now) if saved.history else {}):
            raise ValueError("the best weights are of another model")
    if [entry.epoch for entry in saved.history] != [number + 1 for number in range(len(saved.history))]:
        raise ValueError("the epochs are not consecutive")
    if not bool(saved.history) <= saved.best_epoch <= len(saved.history):
        raise ValueError(f"the best epoch is {saved.best_epoch}, but there are {len(saved.history)} epochs")
    if isinstance(saved.underway, Underway) and {*saved.underway.totals} != {*training.losses.weights}:
        raise ValueError("the losses are different")
    if isinstance(saved.underway, Underway) and saved.underway.epoch != len(saved.history) + 1:
        raise ValueError("the epochs are not consecutive")
    if {*saved.callbacks} != {*training.callbacks}:
        raise ValueError("the callbacks are different")
    if saved.parts > training.memory.most:
        raise ValueError(f"a batch of {training.memory.most} cannot be run in {saved.parts} parts")
    groups = training.optimizer.state_dict()["param_groups"], saved.optimizer["param_groups"]
    if any(_kinds(mine) != _kinds(theirs) for mine, theirs in zip(*groups, strict=True)):
        raise ValueError("the optimiser has other settings")


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, Size]:
    return {name: x.shape for name, x in tensors.items()}


def _kinds(group: Mapping[str, Any]) -> dict[str, str]:
    """Return the kind of each setting of an optimiser; all numbers are one kind, and all sequences are one kind."""
    kinds = ((bool, "bool"), (int | float, "number"), (list | tuple, "sequence"))
    return {
        key: next((name for kind, name in kinds if isinstance(value, kind)), type(value).__name__)
        for key, value in group.items()
    }


def _last_intact(path: Path, listeners: Listeners) -> dict[str, Any]:
    """Read the last checkpoint, or the previous one with a warning."""
    damaged: list[Mistake] = []
    for place in (path, previous_of(path)):
        if not place.is_file():
            continue
        try:
            saved = load_state(place)
        except InputError as error:
            damaged += error.mistakes
            continue
        for mistake in damaged:
            listeners.warning(f"{mistake}; resuming from the previous checkpoint")
            path.unlink(missing_ok=True)  # otherwise the next save would keep it in place of the intact one
        return saved
    raise InputError([replace(mistake, hint="--force starts anew") for mistake in damaged])
