"""``environment.json``: the machine, the libraries and the data of a run."""

import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import BaseModel, ConfigDict, Field

from ercfw.contract.provenance import Provenance, StreamSummary
from ercfw.registry.catalog import Plugin
from ercfw.results.json_file import SCHEMA, read_json
from ercfw.results.run_files import RunFiles
from ercfw.system.version import VERSION

LIBRARIES = ("torch", "numpy", "scikit-learn", "accelerate", "safetensors", "pydantic", "pluggy", "transformers")
MOST_THREADS = 1024
"""Maximum number of threads in a file: ``ercfw reproduce`` starts as many, and far more would end the process."""


class RunEnvironment(BaseModel):
    """Content of ``environment.json``.

    Attributes:
        version: the version of the format, ``schema`` in the file.
        python: the version of Python.
        platform: the operating system.
        ercfw: the version of ercfw.
        libraries: the versions of the libraries that decide numbers.
        plugins: the versions of the working plugins.
        device: the name of the GPU, or ``cpu``.
        processes: the number of processes.
        threads: the number of threads per process.
        git: the revision of the working directory; None outside a repository.
        data: the source of the conversations.
        streams: the origin of each modality.
        stamps: words such as SIMULATED that every file of the run carries.
        working_folder: the absolute path of the working folder, from which the recipe's paths start; empty if an
            earlier ercfw wrote the file.
        run_folder: the absolute path of the run's folder in training; empty likewise.
    """

    model_config = ConfigDict(frozen=True, strict=True, populate_by_name=True)

    version: int = Field(default=SCHEMA, alias="schema")
    python: str
    platform: str
    ercfw: str
    libraries: dict[str, str]
    plugins: dict[str, str]
    device: str
    processes: int
    threads: Annotated[int, Field(ge=1, le=MOST_THREADS)]
    git: str | None
    data: Provenance
    streams: dict[str, StreamSummary] = {}
    stamps: list[str] = []
    working_folder: str = ""
    run_folder: str = ""

    def as_json(self) -> dict[str, Any]:
        """Return the content of the file."""
        return self.model_dump(by_alias=True)


def describe_environment(
    plugins: Sequence[Plugin],
    device: torch.device,
    processes: int,
    data: Provenance,
    streams: Mapping[str, StreamSummary],
    stamps: Sequence[str],
    folder: Path,
) -> RunEnvironment:
    """Return the environment of this process, with the data and the folder of a run."""
    return RunEnvironment(
        python=sys.version.split()[0],
        platform=platform.platform(),
        ercfw=VERSION,
        libraries={name: found for name in LIBRARIES if (found := _version(name))},
        plugins={plugin.name: plugin.version for plugin in plugins if not plugin.failure},
        device=torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        processes=processes,
        threads=torch.get_num_threads(),
        git=_revision(),
        data=data,
        streams=dict(streams),
        stamps=list(stamps),
        working_folder=str(Path.cwd()),
        run_folder=str(folder.absolute()),
    )


def read_environment(folder: Path) -> RunEnvironment | None:
    """Read the ``environment.json`` of the run in a folder; None if nothing was run (an ensemble).

    Raises:
        InputError: the file is not one of a run, or was written by a newer ercfw.
    """
    path = RunFiles(folder).environment
    return read_json(path, RunEnvironment) if path.is_file() else None


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def _revision() -> str | None:
    """Return the git revision of the working directory, marked if it has changes; None outside a repository."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        found = subprocess.run(command, capture_output=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.decode("utf-8", "replace").strip() or None
