"""Write and read tensors and metadata in one safetensors file, with a hash that detects damage."""

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
from ercfw.system.files import check_regular, replacing

FORMAT = 1


def save_tensors(path: Path, tensors: Mapping[str, Tensor], about: Mapping[str, Any], keep: Path | None = None) -> None:
    """Write tensors and metadata with their hash.

    Args:
        path: the file; it is replaced completely or not at all.
        tensors: the tensors.
        about: the metadata, as JSON can hold it.
        keep: where the file that is replaced is kept; None = it is not kept.
    """
    plain = {name: x.detach().to("cpu", copy=True).contiguous() for name, x in tensors.items()}
    about = json.loads(json.dumps(about))  # as it will be read, so that the hash is the same
    # One sorted key, since safetensors writes several keys in random order.
    text = json.dumps({**about, "sha256": content_hash(about, plain)}, sort_keys=True)
    with replacing(path) as temporary:
        save_file(plain, temporary, metadata={"ercfw": text})
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        if keep is not None and path.is_file():
            path.replace(keep)


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what ``save_tensors`` wrote: the tensors and the metadata.

    Raises:
        InputError: the file cannot be read, or its hash does not match its content.
    """
    try:
        check_regular(path)
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {}).get("ercfw", "{}"))
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        trusted = isinstance(about, dict) and about.pop("sha256", None) == content_hash(about, tensors)
    except (OSError, SafetensorError, ValueError, TypeError, KeyError, RuntimeError) as error:
        raise InputError.at(path, f"cannot be read: {error}") from error
    if not trusted:
        raise InputError.at(path, "cannot be trusted: its content does not have the hash that it was written with")
    return tensors, about


def content_hash(about: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """Return the sha256 of all tensors and metadata, so that a single flipped bit is found."""
    digest = hashlib.sha256(json.dumps(about, sort_keys=True).encode())
    for name, x in sorted(tensors.items()):
        digest.update(f"{name} {x.dtype} {list(x.shape)}".encode())
        digest.update(x.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
