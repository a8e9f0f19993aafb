"""Embeddings as implementations of M2FNet (Chudasama et al., 2022) keep them: a tensor a split."""

from pathlib import Path
from typing import Any

import numpy as np

from ercfw import FileLayout, InputError, Published
from ercfw.pickles import read_pickle
from ercfw_layouts import values

SPLITS = {"train": ("train.pkl",), "dev": ("val.pkl", "dev.pkl"), "test": ("test.pkl",)}


class M2FNet(FileLayout):
    """``embeddings/<modality>/{train,val,test}.pkl``: a tensor ``[rows, D]`` each, in the order of MELD's annotations.

    Rows may lack the clips that are known to be broken. The files name nothing and hold no labels, so that nothing
    can be proven of them. Read only.
    """

    slots = ()

    def read(self, path: Path) -> Published:
        """The values of each modality and split."""
        folders = sorted(f for f in path.iterdir() if f.is_dir() and any(f.glob("*.pkl"))) if path.is_dir() else []
        if not folders:
            raise InputError.at(
                path, "holds no folder of embeddings", "embeddings/<modality>/train.pkl, val.pkl, test.pkl"
            )
        found = {folder.name: {split: _find(folder, names) for split, names in SPLITS.items()} for folder in folders}
        return Published(
            paths=tuple(file for files in found.values() for file in files.values()),
            corpus="meld",
            classes=(),
            lists={},
            rows={
                name: {split: values.vectors(str(file), _plain(read_pickle(file))) for split, file in files.items()}
                for name, files in found.items()
            },
        )


def _find(folder: Path, names: tuple[str, ...]) -> Path:
    for name in names:
        if (folder / name).is_file():
            return folder / name
    raise InputError.at(folder, f"lacks {names[0]}", "each modality has three splits")


def _plain(content: Any) -> Any:
    """A tensor of one row an utterance, or a list of such rows."""
    return content.reshape(len(content), -1) if isinstance(content, np.ndarray) and content.ndim > 2 else content
