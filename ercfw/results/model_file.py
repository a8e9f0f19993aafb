"""Model weights with their metadata, in a safetensors file that is written atomically."""

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, fields
from itertools import chain
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn

from ercfw.contract.data_info import DataInfo, TargetSpec
from ercfw.errors import InputError
from ercfw.results.run_files import RunFiles
from ercfw.system.files import check_regular, is_file, sha256
from ercfw.system.tensor_file import FORMAT, load_tensors, save_tensors

MOST_UTTERANCES = 2**53
"""Numbers of utterances are below this, so that arithmetic with them is exact."""


class StreamOrigin(BaseModel):
    """What the metadata of a model file tells of a modality, as far as it is read back."""

    model_config = ConfigDict(strict=True)

    made_by: dict[str, Any]


class ModelMetadata(BaseModel):
    """Metadata of a model file that is read back."""

    model_config = ConfigDict(strict=True)

    format: Literal[1]
    info: DataInfo
    recipe: dict[str, Any] = {}
    streams: dict[str, StreamOrigin] = {}
    stamps: list[str] = []
    trained_on: list[str] = []
    plugin_files: list[str] = []

    @field_validator("info")
    @classmethod
    def _fits(cls, info: DataInfo) -> DataInfo:
        for name, spec in info.targets.items():
            names = len(spec.classes)
            if names != len(spec.counts) or not all(0 <= n < MOST_UTTERANCES for n in (*spec.counts, spec.labelled)):
                raise ValueError(f"the counts of target '{name}' are not one number of utterances per class")
            wanted = names if spec.kind == "regression" else 0
            if any(len(of_names) != wanted for of_names in (spec.ranges, spec.mean, spec.deviation)):
                raise ValueError(f"the statistics of target '{name}' are not one per number")
            if not all(map(math.isfinite, (*chain(*spec.ranges), *spec.mean, *spec.deviation))):
                raise ValueError(f"a statistic of target '{name}' is not a finite number")
        return info


def save_model(path: Path, weights: Mapping[str, Tensor], info: DataInfo, about: Mapping[str, Any]) -> None:
    """Write a model's weights, the description of its data and the metadata of its training."""
    save_tensors(path, weights, {"format": FORMAT, "info": _written(info), **about})


def _written(info: DataInfo) -> dict[str, Any]:
    """Return the description of the data; of a target, fields with their default values are left out."""
    targets = {name: _changed(spec) for name, spec in info.targets.items()}
    return {**asdict(info), "targets": targets}


def _changed(spec: TargetSpec) -> dict[str, Any]:
    defaults = {field.name: field.default for field in fields(spec)}
    return {name: value for name, value in asdict(spec).items() if value != defaults[name]}


def load_model(path: Path) -> tuple[dict[str, Tensor], DataInfo, dict[str, Any]]:
    """Read what ``save_model`` wrote.

    Raises:
        InputError: there is no such file, or it is damaged.
    """
    tensors, about = load_tensors(path)
    try:
        read = ModelMetadata.model_validate_json(json.dumps(about))
    except ValidationError as error:
        raise InputError.at(path, "is not a model of ercfw") from error
    return tensors, read.info, about


def read_about(path: Path) -> dict[str, Any]:
    """Read the metadata of a model file without its weights.

    Raises:
        InputError: the file is damaged.
    """
    try:
        check_regular(path)
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get("ercfw", "{}"))
        ModelMetadata.model_validate_json(json.dumps(about))
    except (OSError, SafetensorError, ValueError, RecursionError) as error:
        raise InputError.at(path, "is not a model of ercfw") from error
    return dict(about)


def start_from(model: nn.Module, folder: Path) -> tuple[str, dict[str, Any]]:
    """Copy every weight of a run's model that has the same name and shape into ``model``.

    Return a message with the number of copied weights, and the metadata of the model file.

    Raises:
        InputError: there is no such model, or none of its weights fits.
    """
    if not is_file(RunFiles(folder).model):
        raise InputError.at("[train] init_from", f"there is no model in {folder}", "name the folder of a finished run")
    tensors, _, about = load_model(RunFiles(folder).model)
    own = model.state_dict()
    fitting = {name: x for name, x in tensors.items() if name in own and own[name].shape == x.shape}
    if not fitting:
        raise InputError.at("[train] init_from", f"no weight of {folder} has the name and shape of one in this model")
    model.load_state_dict({**own, **fitting})
    digest = sha256(RunFiles(folder).model)
    return f"{len(fitting)} of {len(own)} tensors taken from {folder} (sha256 {digest[:12]})", about
