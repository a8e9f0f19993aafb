"""A training's state, saved between two steps and taken up again."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from ercfw.checkpoint import load_state, previous_of, save_state
from ercfw.errors import InputError, Mistake
from ercfw.files import still_there
from ercfw.training import Told, Training


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
        "best_epoch": training.best_epoch,
        "history": training.history,
        "underway": training.underway,
    }
    save_state(path, state)


def can_resume(path: Path) -> bool:
    """Whether there is a state to go on from."""
    return path.is_file() or previous_of(path).is_file()


def resume(training: Training, path: Path, told: Told) -> None:
    """Put a training where it was when its state was saved last; where that state is damaged, the one before.

    Raises:
        InputError: both are damaged, or the state is of another model.
    """
    saved = _intact(path, told)
    try:
        training.accelerator.unwrap_model(training.model).load_state_dict(saved["model"])
        training.losses.load_state_dict(saved["losses"])
        training.optimizer.load_state_dict(saved["optimizer"])
        training.schedule.load_state_dict(saved["schedule"])
        if training.accelerator.scaler is not None:
            training.accelerator.scaler.load_state_dict(saved["scaler"])
        training.memory.parts = saved["parts"]
        training.best, training.best_epoch = saved["best"], saved["best_epoch"]
        training.history, training.underway = saved["history"], saved["underway"]
    except (KeyError, RuntimeError, ValueError) as error:
        raise InputError.at(path, f"does not fit this recipe: {error}", "--force starts anew") from error


def _intact(path: Path, told: Told) -> dict[str, Any]:
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
        return saved
    raise InputError([replace(mistake, mend="--force starts anew") for mistake in damaged])
