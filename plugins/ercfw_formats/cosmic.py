"""The format of COSMIC (Ghosal et al., 2020): annotations in one file, four layers of RoBERTa in another."""

from dataclasses import replace
from pathlib import Path

from ercfw import FileFormat, InputError, Published, is_file, is_folder
from ercfw_formats.corpora import IEMOCAP, find_file
from ercfw_formats.fields import Fields, read_fields, to_fields, to_published, write_pickle

LAYERS = ("roberta1", "roberta2", "roberta3", "roberta4")
SPLITS: Fields = ("sentences", "train", "test", "dev")
IEMOCAP_FIELDS: Fields = ("speakers", "labels", *SPLITS)
MELD_FIELDS: Fields = ("speakers", "labels", "sentiments", *SPLITS)
IEMOCAP_FEATURES: Fields = ("speakers", "labels", *LAYERS, *SPLITS)
MELD_FEATURES: Fields = ("speakers", "labels", "sentiments", *LAYERS, *SPLITS)
FORMS = (MELD_FIELDS, IEMOCAP_FIELDS, MELD_FEATURES, IEMOCAP_FEATURES)
FEATURES = ("meld_features_roberta.pkl", "iemocap_features_roberta.pkl")
ANNOTATIONS = ("meld.pkl", "iemocap.pkl")


def read_roberta(path: Path) -> Published:
    """Read the annotations, and the layers of RoBERTa if the file holds them.

    Raises:
        InputError: the file cannot be read or has another format.
    """
    return to_published(path, read_fields(path, FORMS), LAYERS)


class Cosmic(FileFormat):
    """Annotations in ``meld.pkl`` or ``iemocap.pkl``, and layers of RoBERTa in ``*_features_roberta.pkl``.

    Both files hold speakers, labels, texts and splits. The annotations hold no features: importing them alone proves
    that labels and order are those of the corpus. Sentiment labels are not read; they are written if the corpus has
    such a target.
    """

    slots = LAYERS

    def read(self, path: Path) -> Published:
        """Read the features of a folder, or its annotations if it holds no features.

        Raises:
            InputError: the files are missing, cannot be read, or have another format.
        """
        has_features = is_folder(path) and any(is_file(path / name) for name in FEATURES)
        return read_roberta(find_file(path, FEATURES if has_features else ANNOTATIONS))

    def write(self, published: Published, folder: Path) -> list[Path]:
        """Write the annotations, and the features if all four layers are given; return the paths of the files.

        Raises:
            InputError: some of the layers are given, but not all four.
        """
        if 0 < len(published.streams) < len(LAYERS):
            lacking = next(layer for layer in LAYERS if layer not in published.streams)
            hint = f"fill it with a modality by --stream {lacking}=MODALITY, or with zeros by --without {lacking}"
            raise InputError.at(f"stream {lacking}", "is missing, but COSMIC's file needs four layers", hint)
        iemocap = published.corpus == IEMOCAP.corpus
        bare = replace(published, streams={})
        forms = (IEMOCAP_FIELDS, IEMOCAP_FEATURES) if iemocap else (MELD_FIELDS, MELD_FEATURES)
        paths = [write_pickle(folder / ANNOTATIONS[iemocap], to_fields(bare, forms[0]))]
        if published.streams:
            paths.append(write_pickle(folder / FEATURES[iemocap], to_fields(published, forms[1])))
        return paths
