"""The format of MultiEMO's release (Shi and Huang, 2023): MMGCN's tuple, and one file per modality."""

from dataclasses import replace
from pathlib import Path

from ercfw import FileFormat, InputError, Published, is_file, is_folder
from ercfw.pickles import read_pickle
from ercfw_formats import values
from ercfw_formats.corpora import IEMOCAP
from ercfw_formats.fields import read_fields, to_fields, to_published, write_pickle
from ercfw_formats.mmgcn import IEMOCAP_FIELDS, MELD_FIELDS

SPEAKERS = "Speakers.pkl"
FILES = {"text": "TextFeatures.pkl", "audio": "AudioFeatures.pkl", "visual": "VisualFeatures.pkl"}


class MultiEmo(FileFormat):
    """``Data/MELD`` or ``Data/IEMOCAP``: ``Speakers.pkl`` and three files of features.

    ``Speakers.pkl`` is MMGCN's tuple; the older features in it are neither read nor written.
    """

    slots = ("text", "audio", "visual")
    needed = slots

    def read(self, path: Path) -> Published:
        """Read the annotations and the three streams of a folder.

        Raises:
            InputError: a file is missing, cannot be read, or has another format.
        """
        folder = path if is_folder(path) else path.parent
        missing = [name for name in (SPEAKERS, *FILES.values()) if not is_file(folder / name)]
        if missing:
            raise InputError.at(folder, f"lacks {', '.join(missing)}", "the release has four files per corpus")
        file = folder / SPEAKERS
        published = to_published(file, read_fields(file, (MELD_FIELDS, IEMOCAP_FIELDS)), ())
        streams = {
            slot: values.per_conversation(str(folder / name), read_pickle(folder / name), values.vectors)
            for slot, name in FILES.items()
        }
        return replace(published, paths=(file, *(folder / name for name in FILES.values())), streams=streams)

    def write(self, published: Published, folder: Path) -> list[Path]:
        """Write the four files and return their paths; corpora other than IEMOCAP take MELD's form."""
        form = IEMOCAP_FIELDS if published.corpus == IEMOCAP.corpus else MELD_FIELDS
        streams = {slot: {key: list(rows) for key, rows in published.streams[slot].items()} for slot in FILES}
        speakers = write_pickle(folder / SPEAKERS, to_fields(replace(published, streams={}), form))
        return [speakers, *(write_pickle(folder / name, streams[slot]) for slot, name in FILES.items())]
