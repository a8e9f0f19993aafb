"""``metrics.json`` and ``environment.json`` of a run."""

import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from ercfw.contract.interfaces import Provenance
from ercfw.errors import InputError
from ercfw.system.validation import in_short


class Metrics(BaseModel):
    """Fields of ``metrics.json`` that reports read."""

    model_config = ConfigDict(strict=True)

    scores: dict[str, dict[str, dict[str, float | dict[str, float]]]]
    title: str
    variant: str
    seed: int
    protocol: str
    select: str
    chosen_on: str
    stamps: list[str]
    data: Provenance
    sizes: dict[str, dict[str, int]]
    parameters: int
    seconds: float
    peak_memory: int = 0
    folder: str


class Environment(BaseModel):
    """Fields of ``environment.json`` that are compared between runs."""

    model_config = ConfigDict(strict=True)

    data: Provenance


class Machine(Environment):
    """Fields of ``environment.json`` that reports read."""

    python: str
    platform: str
    ercfw: str
    libraries: dict[str, str]
    plugins: dict[str, str]
    device: str
    processes: int
    threads: int
    git: str | None


def read_metrics(folder: Path) -> dict[str, Any]:
    """Read the ``metrics.json`` of the finished run in a folder.

    Raises:
        InputError: the file is missing, or was not written by a run.
    """
    return _read_json(folder / "metrics.json", Metrics)


def read_environment(folder: Path) -> dict[str, Any] | None:
    """Read the ``environment.json`` of the run in a folder; None if nothing was run (an ensemble).

    Raises:
        InputError: the file was not written by a run.
    """
    path = folder / "environment.json"
    return _read_json(path, Machine) if path.is_file() else None


def _read_json(path: Path, holds: type[BaseModel]) -> dict[str, Any]:
    try:
        content = path.read_bytes()
        read: dict[str, Any] = json.loads(content)
        holds.model_validate_json(content)
        return read
    except ValidationError as error:
        what = f"{in_short(error)}, so no run of ercfw left it"
        raise InputError.at(path, what, "--force starts the run anew") from error
    except (OSError, ValueError, RecursionError) as error:
        raise InputError.at(path, f"cannot be read: {error}", "--force starts the run anew") from error
