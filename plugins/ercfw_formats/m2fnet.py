"""The format of M2FNet's implementations (Chudasama et al., 2022): one tensor of embeddings per split."""

from pathlib import Path
from typing import Any

import numpy as np

from ercfw import FileFormat, InputError, Published, is_file, is_folder
from ercfw.pickles import read_pickle
from ercfw_formats import values

SPLITS = {"train": ("train.pkl",), "dev": ("val.pkl", "dev.pkl"), "test": ("test.pkl",)}


class M2FNet(FileFormat):
    """One tensor ``[rows, D]`` per file ``embeddings/<modality>/{train,val,test}.pkl``, ordered as MELD's annotations.

    Clips that are known to be broken may have no row. A folder may hold some of the splits alone, and the folder of a
    modality or a single file can be given instead. The files hold
    neither names nor labels, so an import cannot prove which utterances the rows belong to. This format is read only.
    """

    slots = ()

    def read(self, path: Path) -> Published:
        """Read the values of each modality and split.

        Raises:
            InputError: there is no file of a split, or a file cannot be read or holds no rows of numbers.
        """
        found = {modality: files for modality, files in _by_modality(path).items() if files}
        if not found:
            raise InputError.at(
                path, "holds no folder of embeddings", "expected embeddings/<modality>/train.pkl, val.pkl, test.pkl"
            )
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


def _by_modality(path: Path) -> dict[str, dict[str, Path]]:
    """Return the file of each modality and split at a path; a folder's name is the modality of the files in it."""
    if is_file(path):
        return {path.resolve().parent.name: {split: path for split, names in SPLITS.items() if path.name in names}}
    folders = [path, *sorted(folder for folder in path.iterdir() if folder.is_dir())] if is_folder(path) else []
    return {folder.resolve().name: _files(folder) for folder in folders}


def _files(folder: Path) -> dict[str, Path]:
    """Return the file of each split that the folder holds."""
    paths = {split: [folder / name for name in names] for split, names in SPLITS.items()}
    present = {split: [path for path in each if is_file(path)] for split, each in paths.items()}
    return {split: each[0] for split, each in present.items() if each}


def _plain(content: Any) -> Any:
    """Return a tensor with one row per utterance, its other dimensions flattened; leave any other content unchanged."""
    return content.reshape(len(content), -1) if isinstance(content, np.ndarray) and content.ndim > 2 else content
