"""``embeddings.safetensors``: input vectors of the heads, before training and at the best epoch."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ercfw.errors import InputError
from ercfw.results.run_files import RunFiles
from ercfw.results.scoring import Predictions
from ercfw.system.files import check_regular, replacing

Moment = Literal["untrained", "best"]
MOMENTS: tuple[Moment, ...] = ("untrained", "best")


def write_embeddings(folder: Path, moments: Mapping[Moment, Mapping[str, Predictions]], stamps: Sequence[str]) -> None:
    """Write ``[N, E]`` per split, target and moment as ``test.emotion.best`` etc., in ``predictions.csv`` row order."""
    tensors = {
        f"{split}.{target}.{moment}": np.ascontiguousarray(x)
        for moment, splits in moments.items()
        for split, predicted in splits.items()
        for target, x in predicted.embeddings.items()
    }
    about = json.dumps({"rows": "as in predictions.csv", "stamps": list(stamps)})
    with replacing(RunFiles(folder).embeddings) as temporary:
        save_file(tensors, temporary, metadata={"ercfw": about})


def read_embeddings(folder: Path, split: str, target: str) -> dict[Moment, NDArray[np.float32]]:
    """Return the embeddings of each moment, ``[N, E]``.

    Raises:
        InputError: the run has none for this split and target, or the file is damaged.
    """
    path = RunFiles(folder).embeddings
    if not path.is_file():
        raise InputError.at(folder, "contains no embeddings", "ercfw run --force writes them")
    try:
        check_regular(path)
        with safe_open(path, framework="np") as file:
            names = {moment: f"{split}.{target}.{moment}" for moment in MOMENTS}
            there = set(file.keys())
            found = {moment: file.get_tensor(name) for moment, name in names.items() if name in there}
    except (OSError, SafetensorError, ValueError) as error:
        raise InputError.at(path, f"cannot be read: {error}", "ercfw run --force makes it again") from error
    if not found:
        raise InputError.at(path, f"has none of '{target}' in {split}", f"it has {', '.join(sorted(there))}")
    return found
