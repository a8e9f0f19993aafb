"""Environment of a run: versions, device, revision."""

import platform
import subprocess
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from ercfw.registry.catalog import Plugin
from ercfw.system.version import VERSION

LIBRARIES = ("torch", "numpy", "scikit-learn", "accelerate", "safetensors", "pydantic", "pluggy", "transformers")


def describe_environment(plugins: Sequence[Plugin], device: torch.device, processes: int) -> dict[str, Any]:
    """Return versions of Python, ercfw, libraries and working plugins; device, processes and git revision."""
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "ercfw": VERSION,
        "libraries": {name: found for name in LIBRARIES if (found := _version(name))},
        "plugins": {plugin.name: plugin.version for plugin in plugins if not plugin.failure},
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "processes": processes,
        "threads": torch.get_num_threads(),
        "git": _revision(),
    }


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def _revision() -> str | None:
    """Return the git revision of the working directory, marked if it has changes; None outside a repository."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None
