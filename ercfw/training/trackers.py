"""Log the values of history.jsonl to experiment trackers, through Accelerate."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from ercfw.errors import InputError, RunError, cause_of, did_you_mean
from ercfw.system.flatten import flatten

Log = Callable[[Mapping[str, Any], int], None]
"""Logs nested numbers for an epoch."""


def check_trackers(names: Sequence[str]) -> None:
    """Check before the training that trackers are known and installed.

    Raises:
        InputError: a tracker is unknown or not installed.
    """
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

    installed = {str(tracker) for tracker in get_available_trackers()}
    for name in names:
        if name not in LOGGER_TYPE_TO_CLASS:
            what = f"Accelerate has no tracker '{name}'"
            raise InputError.at("[run] trackers", what, did_you_mean(name, LOGGER_TYPE_TO_CLASS))
        if name not in installed:
            hint = "pip install 'ercfw[trackers]'" if name == "tensorboard" else f"pip install {name}"
            raise InputError.at("[run] trackers", f"'{name}' is not installed", hint)


@contextmanager
def tracking(
    accelerator: Accelerator, names: Sequence[str], folder: Path, title: str, settings: Mapping[str, Any]
) -> Iterator[Log]:
    """Start trackers, yield the function that logs to them, and finish them; their files go to ``folder``.

    Raises:
        RunError: a tracker does not start.
    """
    if not names:
        yield lambda values, epoch: None
        return
    from accelerate.tracking import filter_trackers

    accelerator.project_configuration.logging_dir = str(folder)
    accelerator.log_with = filter_trackers(list(names), folder)
    try:
        accelerator.init_trackers(title, {key: _plain(value) for key, value in flatten(settings, "/")})
    except Exception as error:
        raise RunError(f"[run] trackers: {', '.join(names)} did not start: {cause_of(error)}") from error
    try:
        yield lambda values, epoch: accelerator.log(
            {key: value for key, value in flatten(values, "/") if isinstance(value, (int, float))}, step=epoch
        )
    finally:
        for tracker in accelerator.trackers:
            tracker.finish()
        accelerator.trackers = []


def _plain(value: Any) -> str | int | float | bool:
    return value if isinstance(value, (str, int, float, bool)) else str(value)
