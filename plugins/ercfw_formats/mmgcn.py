"""The format of MMGCN (Hu et al., 2021) and conv-emotion: one tuple in one file."""

from pathlib import Path

from ercfw import FileFormat, Published
from ercfw_formats.corpora import IEMOCAP, find_file
from ercfw_formats.fields import UNUSED, Fields, read_fields, to_fields, to_published, write_pickle

IEMOCAP_FIELDS: Fields = (
    "utterances", "speakers", "labels", "text", "audio", "visual", "sentences", "train", "test",
)  # fmt: skip
MELD_FIELDS: Fields = (*IEMOCAP_FIELDS, UNUSED)
NAMES = ("MELD_features_raw1.pkl", "MELD_features_raw.pkl", "IEMOCAP_features.pkl")


class Mmgcn(FileFormat):
    """``MELD_features_raw1.pkl`` or ``IEMOCAP_features.pkl``: ids, speakers, labels, three streams, texts, splits.

    The train list holds train and then dev. MELD's tuple has a tenth field, which is not read.
    """

    slots = ("text", "audio", "visual")
    needed = slots

    def read(self, path: Path) -> Published:
        """Read the annotations and the three streams of a file.

        Raises:
            InputError: the file is missing, cannot be read, or has another format.
        """
        file = find_file(path, NAMES)
        return to_published(file, read_fields(file, (MELD_FIELDS, IEMOCAP_FIELDS)), self.slots)

    def write(self, published: Published, folder: Path) -> list[Path]:
        """Write the file and return its path; corpora other than IEMOCAP take MELD's form."""
        if published.corpus == IEMOCAP.corpus:
            return [write_pickle(folder / "IEMOCAP_features.pkl", to_fields(published, IEMOCAP_FIELDS))]
        return [write_pickle(folder / "MELD_features_raw1.pkl", to_fields(published, MELD_FIELDS))]
