"""The format of SDT (Ma et al., 2023): one tuple in one file, like MMGCN's, with four text streams."""

from pathlib import Path

from ercfw import FileFormat, Published
from ercfw_formats.corpora import IEMOCAP, find_file
from ercfw_formats.fields import UNUSED, Fields, read_fields, to_fields, to_published, write_pickle

IEMOCAP_FIELDS: Fields = (
    "utterances", "speakers", "labels", "text", "roberta2", "roberta3", "roberta4", "audio", "visual",
    "sentences", "train", "test",
)  # fmt: skip
MELD_FIELDS: Fields = (*IEMOCAP_FIELDS, UNUSED)
NAMES = ("meld_multimodal_features.pkl", "iemocap_multimodal_features.pkl")


class Sdt(FileFormat):
    """``{meld,iemocap}_multimodal_features.pkl``; of the four text streams, SDT itself reads only ``text``."""

    slots = ("text", "roberta2", "roberta3", "roberta4", "audio", "visual")
    needed = ("text", "audio", "visual")

    def read(self, path: Path) -> Published:
        """Read the annotations and up to six streams of a file.

        Raises:
            InputError: the file is missing, cannot be read, or has another format.
        """
        file = find_file(path, NAMES)
        return to_published(file, read_fields(file, (MELD_FIELDS, IEMOCAP_FIELDS)), self.slots)

    def write(self, published: Published, folder: Path) -> list[Path]:
        """Write the file and return its path; corpora other than IEMOCAP take MELD's form."""
        if published.corpus == IEMOCAP.corpus:
            return [write_pickle(folder / NAMES[1], to_fields(published, IEMOCAP_FIELDS))]
        return [write_pickle(folder / NAMES[0], to_fields(published, MELD_FIELDS))]
