"""The format of M2FNet's implementations (Chudasama et al., 2022): one tensor of embeddings per split."""

from pathlib import Path
from typing import Any

import numpy as np

from ercfw import FileFormat, InputError, Published
from ercfw.pickles import read_pickle
from ercfw_formats import values

SPLITS = {"train": ("train.pkl",), "dev": ("val.pkl", "dev.pkl"), "test": ("test.pkl",)}


class M2FNet(FileFormat):
    """One tensor ``[rows, D]`` per file ``embeddings/<modality>/{train,val,test}.pkl``, ordered as MELD's annotations.

    Clips that are known to be broken may have no row. The files hold neither names nor labels, so an import cannot
    prove which utterances the rows belong to. This format is read only.
    """

    slots = ()

    def read(self, path: Path) -> Published:
        """Read the values of each modality and split.

        Raises:
            InputError: a folder or file is missing, cannot be read, or does not hold rows of numbers.
        """
        folders = sorted(f for f in path.iterdir() if f.is_dir() and any(f.glob("*.pkl"))) if path.is_dir() else []
        if not folders:
            raise InputError.at(
                path, "holds no folder of embeddings", "expected embeddings/<modality>/train.pkl, val.pkl, test.pkl"
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
    raise InputError.at(folder, f"lacks {names[0]}", "each modality needs a file for each of the three splits")


def _plain(content: Any) -> Any:
    """Return a tensor with one row per utterance, its other dimensions flattened; leave any other content unchanged."""
    return content.reshape(len(content), -1) if isinstance(content, np.ndarray) and content.ndim > 2 else content
