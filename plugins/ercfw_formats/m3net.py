"""The format of M3Net (Chen et al., 2023): COSMIC's layers of RoBERTa together with MMGCN's streams."""

from dataclasses import replace
from pathlib import Path

from ercfw import FileFormat, InputError, Published, is_folder
from ercfw_formats.corpora import find_file
from ercfw_formats.cosmic import FEATURES, LAYERS, read_roberta
from ercfw_formats.mmgcn import NAMES, Mmgcn


class M3Net(FileFormat):
    """COSMIC's ``*_features_roberta.pkl`` and MMGCN's file in one folder.

    The splits come from COSMIC's file, which has a dev list. The labels of both files must agree. This format is read
    only; the formats ``cosmic`` and ``mmgcn`` write the two files.
    """

    slots = (*LAYERS, "text", "audio", "visual")

    def read(self, path: Path) -> Published:
        """Read the annotations and seven streams of a folder.

        Raises:
            InputError: a file is missing, cannot be read or has another format, or the labels of the two differ.
        """
        folder = path if is_folder(path) else path.parent
        layers = read_roberta(find_file(folder, FEATURES))
        older = Mmgcn().read(find_file(folder, NAMES))
        for key, labels in layers.labels.items():
            if older.labels.get(key) != labels:
                where = f"{older.paths[0]}: conversation {key}"
                raise InputError.at(where, f"is missing or has other labels than in {layers.paths[0].name}")
        return replace(
            older,
            paths=(*layers.paths, *older.paths),
            lists=layers.lists,
            streams={**layers.streams, **older.streams},
        )
