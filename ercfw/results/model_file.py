"""Safetensors weights, and all that a resume needs, in files written whole or not at all."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, ValidationError
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from ercfw.contract.data_info import DataInfo
from ercfw.errors import InputError
from ercfw.results.run_folder import previous_of
from ercfw.system.files import is_file, sha256
from ercfw.system.tensor_file import FORMAT, _load, _save


class About(BaseModel):
    """What stands beside the weights of a model, as far as it is read again."""

    model_config = ConfigDict(strict=True)

    format: Literal[1]
    info: DataInfo
    stamps: list[str] = []
    trained_on: list[str] = []


def save_model(path: Path, weights: Mapping[str, Tensor], info: DataInfo, about: Mapping[str, Any]) -> None:
    """Write a model's weights, with what it was told of its data and what made it."""
    _save(path, weights, {"format": FORMAT, "info": asdict(info), **about})


def load_model(path: Path) -> tuple[dict[str, Tensor], DataInfo, dict[str, Any]]:
    """Read what ``save_model`` wrote.

    Raises:
        InputError: there is no such file, or it is damaged.
    """
    tensors, about = _load(path)
    try:
        read = About.model_validate_json(json.dumps(about))
    except ValidationError as error:
        raise InputError.at(path, "is not a model of ercfw") from error
    return tensors, read.info, about


def read_about(path: Path) -> dict[str, Any]:
    """What stands beside the weights of a model, without reading them.

    Raises:
        InputError: it is damaged.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get("ercfw", "{}"))
        About.model_validate_json(json.dumps(about))
    except (OSError, SafetensorError, ValueError) as error:
        raise InputError.at(path, "is not a model of ercfw") from error
    return dict(about)


def save_state(path: Path, state: Mapping[str, Any]) -> None:
    """Write nested dicts and lists of tensors and plain values; what was there before is kept beside it."""
    tensors: dict[str, Tensor] = {}
    skeleton = _flatten(state, "", tensors)
    _save(path, tensors, {"format": FORMAT, "state": skeleton}, keep=previous_of(path))


def load_state(path: Path) -> dict[str, Any]:
    """Read what ``save_state`` wrote.

    Raises:
        InputError: it is damaged.
    """
    tensors, about = _load(path)
    try:
        if about["format"] != FORMAT:
            raise ValueError(about["format"])
        state: dict[str, Any] = dict(_unflatten(about["state"], tensors))
        return state
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError.at(path, "is not the state of a run", "--force starts the run anew") from error


def start_from(model: nn.Module, folder: Path) -> tuple[str, dict[str, Any]]:
    """Take over every weight of a run's model that has the same name and shape here.

    Says how many, and gives what stands beside the weights.

    Raises:
        InputError: there is no such model, or nothing in it fits.
    """
    if not is_file(folder / "model.safetensors"):
        raise InputError.at("[train] init_from", f"there is no model in {folder}", "the folder of a finished run")
    tensors, _, about = load_model(folder / "model.safetensors")
    own = model.state_dict()
    fitting = {name: x for name, x in tensors.items() if name in own and own[name].shape == x.shape}
    if not fitting:
        raise InputError.at("[train] init_from", f"no weight of {folder} fits this model")
    model.load_state_dict({**own, **fitting})
    digest = sha256(folder / "model.safetensors")
    return f"{len(fitting)} of {len(own)} tensors taken from {folder} (sha256 {digest[:12]})", about


def _flatten(value: Any, name: str, tensors: dict[str, Tensor]) -> Any:
    """The value with each tensor put aside under its path; dicts as pairs, since their keys may be numbers."""
    if isinstance(value, Tensor):
        tensors[name] = value
        return {"tensor": name}
    if isinstance(value, Mapping):
        return {"dict": [[key, _flatten(item, f"{name}/{key}", tensors)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        return {"list": [_flatten(item, f"{name}/{number}", tensors) for number, item in enumerate(value)]}
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
    """A copy of weights that later steps do not change."""
    return {name: x.detach().to("cpu", copy=True) for name, x in weights.items()}


def seed_everything(*entropy: int) -> None:
    """Seed torch from several numbers (seed, epoch, process), so that no generator needs to be saved."""
    import numpy as np

    torch.manual_seed(int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> 1))
