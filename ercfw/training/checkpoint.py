"""Write and read the checkpoint that a stopped run resumes from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from ercfw.errors import InputError, RunError
from ercfw.results.run_folder import previous_of
from ercfw.system.tensor_file import FORMAT, load_tensors, save_tensors


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write nested dicts and lists of tensors and plain values; the previous file is kept beside the new one.

    Raises:
        RunError: the state holds something else, such as a function.
    """
    tensors: dict[str, Tensor] = {}
    skeleton = _flatten(state, "", tensors)
    save_tensors(path, tensors, {"format": FORMAT, "state": skeleton}, keep=previous_of(path))


def load_state(path: Path) -> dict[str, Any]:
    """Read what ``save_state`` wrote.

    Raises:
        InputError: the file is damaged.
    """
    tensors, about = load_tensors(path)
    try:
        if about["format"] != FORMAT:
            raise ValueError(about["format"])
        state: dict[str, Any] = dict(_unflatten(about["state"], tensors))
        return state
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError.at(path, "is not a checkpoint of a run", "--force starts the run anew") from error


def _flatten(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """Replace each tensor of a value by its path and move it to ``tensors``.

    Dicts become lists of pairs, because their keys may be numbers.
    """
    if isinstance(value, Tensor):
        tensors[name] = value
        return {"tensor": name}
    if isinstance(value, Mapping):
        return {"dict": [[key, _flatten(item, f"{name}/{key}", tensors)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        return {"list": [_flatten(item, f"{name}/{number}", tensors) for number, item in enumerate(value)]}
    if not isinstance(value, bool | int | float | str | None):
        raise RunError(f"the checkpoint cannot hold {name.strip('/')}: {type(value).__name__} is no plain value")
    return {"value": value}


def _unflatten(skeleton: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> Any:
    ((kind, value),) = skeleton.items()
    if kind == "tensor":
        return tensors[value]
    if kind == "dict":
        return {key: _unflatten(item, tensors) for key, item in value}
    if kind == "list":
        return [_unflatten(item, tensors) for item in value]
    return value


def to_host(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copy weights to the CPU, so that later steps do not change them."""
    return {name: x.detach().to("cpu", copy=True) for name, x in weights.items()}
