"""M3Net (Chen et al., 2023): COSMIC's layers of RoBERTa beside MMGCN's sound and picture."""

from dataclasses import replace
from pathlib import Path

from ercfw import FileLayout, InputError, Published
from ercfw_layouts.corpora import find_file
from ercfw_layouts.cosmic import FEATURES, LAYERS, read_roberta
from ercfw_layouts.mmgcn import NAMES, Mmgcn


class M3Net(FileLayout):
    """``*_features_roberta.pkl`` and MMGCN's file in one folder; read only: cosmic and mmgcn write the two.

    Splits are those of the first file, which knows dev; labels of both must agree.
    """

    slots = (*LAYERS, "text", "audio", "visual")

    def read(self, path: Path) -> Published:
        """Annotations and seven streams of a folder."""
        folder = path if path.is_dir() else path.parent
        layers = read_roberta(find_file(folder, FEATURES))
        older = Mmgcn().read(find_file(folder, NAMES))
        for key, labels in layers.labels.items():
            if older.labels.get(key) != labels:
                where = f"{older.paths[0]}: conversation {key}"
                raise InputError.at(where, f"has other labels than {layers.paths[0].name}, or is missing")
        return replace(
            older,
            paths=(*layers.paths, *older.paths),
            lists=layers.lists,
            streams={**layers.streams, **older.streams},
        )
