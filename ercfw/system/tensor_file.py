"""Tensors and metadata in one safetensors file, with a hash that shows damage."""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from ercfw.errors import InputError
from ercfw.system.files import replacing

FORMAT = 1


def _save(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any], keep: Path | None = None) -> None:
    plain = {name: x.detach().to("cpu", copy=True).contiguous() for name, x in tensors.items()}
    about = json.loads(json.dumps(about))  # as it will be read: the hash must be the same
    # Sorted, and one key beside the hash: safetensors writes several in random order.
    text = json.dumps({**about, "sha256": _hash(about, plain)}, sort_keys=True)
    with replacing(path) as temporary:
        save_file(plain, temporary, metadata={"ercfw": text})
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        if keep is not None and path.is_file():
            path.replace(keep)


def _load(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get("ercfw", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        trusted = isinstance(about, dict) and about.pop("sha256", None) == _hash(about, tensors)
    except (OSError, SafetensorError, ValueError, TypeError, KeyError, RuntimeError) as error:
        raise InputError.at(path, f"cannot be read: {error}") from error
    if not trusted:
        raise InputError.at(path, "cannot be trusted: its content does not have the hash that it was written with")
    return tensors, about


def _hash(about: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """sha256 of all that a file says, so that a single flipped bit is found."""
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name, x in sorted(tensors.items()):
        digest.update(f"{name} {x.dtype} {list(x.shape)}".encode())
        digest.update(x.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
