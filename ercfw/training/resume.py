"""A training's state, saved between two steps and taken up again."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field
from torch import Size, Tensor

from ercfw.errors import InputError, Mistake
from ercfw.results.run_folder import previous_of
from ercfw.system.files import still_there
from ercfw.system.validation import in_short
from ercfw.training.checkpoint import load_state, save_state
from ercfw.training.state import Callbacks, Training

STRICT = ConfigDict(strict=True, arbitrary_types_allowed=True)


class Line(BaseModel):
    """A line of the history, as far as a training reads it again."""

    model_config = STRICT

    epoch: int
    lr: float
    seconds: float
    selected: float
    train_loss: dict[str, float]
    watched_loss: dict[str, float]


class Underway(BaseModel):
    """The epoch that has begun."""

    model_config = STRICT

    epoch: int
    lr: float
    steps: Annotated[int, Field(ge=0)]
    seconds: float
    totals: dict[str, float]


class State(BaseModel):
    """All that decides what comes next."""

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
    history: list[Line]
    underway: Underway | Annotated[dict[str, Any], Field(max_length=0)]


def save(training: Training, path: Path) -> None:
    """Write all that decides what comes next.

    What is drawn at random hangs on seed, epoch, step and process alone, so no generator is in it.

    Raises:
        RunError: it cannot be written.
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
    save_state(path, state)


def resume(training: Training, path: Path, told: Callbacks) -> None:
    """Put a training where it was when its state was saved last; where that state is damaged, the one before.

    Raises:
        InputError: both are damaged, or the state is of another model.
    """
    saved = _intact(path, told)
    try:
        _check(State.model_validate(saved), training)
        training.accelerator.unwrap_model(training.model).load_state_dict(saved["model"])
        training.losses.load_state_dict(saved["losses"])
        training.optimizer.load_state_dict(saved["optimizer"])
        training.schedule.load_state_dict(saved["schedule"])
        if training.accelerator.scaler is not None:
            training.accelerator.scaler.load_state_dict(saved["scaler"])
    except Exception as error:  # there is hardly one that torch does not raise for a state that is not its own
        raise InputError.at(path, f"does not fit this recipe: {in_short(error)}", "--force starts anew") from error
    training.memory.parts = saved["parts"]
    training.best, training.best_losses = saved["best"], saved["best_losses"]
    training.best_epoch = saved["best_epoch"]
    training.history, training.underway = saved["history"], saved["underway"]


def _check(saved: State, training: Training) -> None:
    """What torch does not check, and what training relies on.

    Raises:
        ValueError: it does not fit.
    """
    own = training.accelerator.unwrap_model(training.model).state_dict(), training.losses.state_dict()
    for best, now in zip((saved.best, saved.best_losses), own, strict=True):
        if _shapes(best) != (_shapes(now) if saved.history else {}):
            raise ValueError("its best weights are of another model")
    if [line.epoch for line in saved.history] != [number + 1 for number in range(len(saved.history))]:
        raise ValueError("its epochs do not follow one another")
    if not bool(saved.history) <= saved.best_epoch <= len(saved.history):
        raise ValueError(f"it says that epoch {saved.best_epoch} of {len(saved.history)} was the best")
    if isinstance(saved.underway, Underway) and {*saved.underway.totals} != {*training.losses.weights}:
        raise ValueError("its losses are others")
    if isinstance(saved.underway, Underway) and saved.underway.epoch != len(saved.history) + 1:
        raise ValueError("its epochs do not follow one another")
    if saved.parts > training.memory.most:
        raise ValueError(f"it ran {saved.parts} parts of a batch of {training.memory.most}")
    groups = training.optimizer.state_dict()["param_groups"], saved.optimizer["param_groups"]
    if any(_kinds(mine) != _kinds(theirs) for mine, theirs in zip(*groups, strict=True)):
        raise ValueError("its optimiser has other settings")


def _shapes(tensors: Mapping[str, Tensor]) -> dict[str, Size]:
    return {name: x.shape for name, x in tensors.items()}


def _kinds(group: Mapping[str, Any]) -> dict[str, str]:
    """Of what kind each setting of an optimiser is; numbers and sequences of any type are the same."""
    kinds = ((bool, "bool"), (int | float, "number"), (list | tuple, "sequence"))
    return {
        key: next((name for kind, name in kinds if isinstance(value, kind)), type(value).__name__)
        for key, value in group.items()
    }


def _intact(path: Path, told: Callbacks) -> dict[str, Any]:
    """The last state, or, with a warning, the one before."""
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
            told.warning(f"{mistake}; going on from the state before it")
            path.unlink(missing_ok=True)  # or the next save would keep it in place of the good one
        return saved
    raise InputError([replace(mistake, mend="--force starts anew") for mistake in damaged])
