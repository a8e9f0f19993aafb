"""MELD (Poria et al., 2019): three annotation files, and one feature file a modality."""

import re
from collections.abc import Mapping
from pathlib import Path
from sys import intern

from ercfw.files import sha256
from ercfw.interfaces import Provenance
from ercfw_datasets.annotations import SPLITS, Annotations, Record, to_conversations
from ercfw_datasets.corpus import Corpus, FeatureFiles
from ercfw_datasets.csv_file import read_csv
from ercfw_datasets.real_or_simulated import real_root
from ercfw_datasets.shapes import MELD, MODALITIES
from ercfw_datasets.simulated import Seed, Width, simulate

DEFAULT_ROOT = Path("data/meld")
COLUMNS = ("Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID", "StartTime", "EndTime")
TIME = re.compile(r"(\d{1,4}):(\d{1,4}):(\d{1,4})[,.](\d{1,3})")


class Meld(Corpus):
    """MELD: 1038, 114 and 280 conversations of a television series, seven emotions.

    ``<root>/{train,dev,test}_sent_emo.csv`` and ``<root>/<modality>.safetensors`` (rows by utterance id),
    or ``.npy``, ``.npz`` (rows of the train, dev and test file after one another). Every split counts its
    conversations from 0, so they are named ``train/12``; utterance ids are those of the source, which have
    gaps. With nothing at the default place and no ``root``, conversations in MELD's shape are simulated.

    Options:
        root: the folder; ``data/meld`` if it is there.
        widths: widths of simulated streams; real ones have their own.
        seed: of simulated conversations.
    """

    def __init__(self, *, root: Path | None = None, widths: dict[str, Width] | None = None, seed: Seed = 0) -> None:
        place = real_root(root, DEFAULT_ROOT, "MELD")
        if place is None:
            super().__init__(*simulate(MELD, seed=seed, widths=widths, instead_of=f"nothing is at {DEFAULT_ROOT}"))
        else:
            annotations = read_meld(place)
            super().__init__(annotations, FeatureFiles(place, annotations.rows, MODALITIES))


def read_meld(root: Path) -> Annotations:
    """MELD's annotation files.

    Raises:
        InputError: one is missing or damaged.
    """
    paths = {split: root / f"{split}_sent_emo.csv" for split in SPLITS}
    records = {split: _records(split, path) for split, path in paths.items()}
    everything = [record for split in SPLITS for record in records[split]]
    return Annotations(
        conversations=to_conversations(
            everything, {record.id[0]: record.id[0].split("/")[0] for record in everything}, MELD.classes
        ),
        classes=MELD.classes,
        rows=tuple(record.id for record in everything),
        source_train=frozenset(record.id for record in records["train"]),
        provenance=Provenance(
            f"MELD, {len(everything)} utterances", files={str(path): sha256(path) for path in paths.values()}
        ),
    )


def _records(split: str, path: Path) -> list[Record]:
    needed = dict.fromkeys(COLUMNS, "a column of MELD's annotations")
    return [_record(split, row.where, row.fields) for row in read_csv(path, needed)]


def _record(split: str, where: str, fields: Mapping[str, str]) -> Record:
    start, end = _seconds(fields["StartTime"]), _seconds(fields["EndTime"])
    return Record(
        where=where,
        id=(intern(f"{split}/{fields['Dialogue_ID'].strip()}"), intern(fields["Utterance_ID"].strip())),
        speaker=intern(fields["Speaker"].strip()),
        text=fields["Utterance"],
        label=fields["Emotion"].strip(),
        time=None if start is None or end is None else (start, end),
    )


def _seconds(time: str) -> float | None:
    """``00:16:16,059`` in seconds; None for what is not a time, which must not cost the utterance."""
    parts = TIME.fullmatch(time.strip())
    if not parts:
        return None
    hours, minutes, seconds, thousandths = parts.groups()
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + int(thousandths.ljust(3, "0")) / 1000
