"""MELD (Poria et al., 2019): three annotation files, one feature file per modality, and its clips."""

import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from sys import intern

from ercfw import SPLITS, Clip, InputError, Provenance, Size, is_folder, sha256
from ercfw_datasets.annotations import Annotations, Record, to_conversations
from ercfw_datasets.clips import only_there
from ercfw_datasets.corpus import Corpus, FeatureFiles
from ercfw_datasets.csv_file import read_csv
from ercfw_datasets.public_files import MELD_FILES
from ercfw_datasets.real_or_simulated import real_root
from ercfw_datasets.shapes import MELD, MODALITIES
from ercfw_datasets.simulated import Seed, simulate

DEFAULT_ROOT = Path("data/meld")
COLUMNS = ("Utterance", "Speaker", "Emotion", "Dialogue_ID", "Utterance_ID", "StartTime", "EndTime")
CLIPS = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
"""The folders of the unpacked MELD.Raw."""

BROKEN = frozenset({
    ("train/125", "3"), ("train/309", "0"), ("dev/110", "7"), ("test/38", "4"), ("test/155", "3"), ("test/220", "0"),
})  # fmt: skip
"""Utterances whose clips are known in the field to be missing, damaged, or of another length than the utterance."""

PUBLISHED = {
    "train": MELD.counts,
    "dev": (470, 150, 40, 111, 163, 22, 153),
    "test": (1256, 281, 50, 208, 402, 68, 345),
}
"""Utterances of each class."""

TIME = re.compile(r"(\d{1,4}):(\d{1,4}):(\d{1,4})[,.](\d{1,3})")


class Meld(Corpus):
    """MELD: 1038, 114 and 280 conversations of a television series in train, dev and test, seven emotions.

    The annotations are ``<root>/{train,dev,test}_sent_emo.csv``. Features are in ``<root>/<modality>.safetensors``
    (rows by utterance id), or ``.npy``, ``.npz`` (the rows of the train, dev and test file in this order). Every split
    numbers its conversations from 0, so they are named ``train/12``. Utterance ids are those of the source, which have
    gaps. If ``root`` is not set and there is nothing at the default place, conversations in the shape of MELD are
    simulated.

    If ``train_splits``, ``dev_splits_complete`` or ``output_repeated_splits_test`` of MELD.Raw are unpacked, each
    utterance has its clip there, ``dia12_utt3.mp4``. A warning counts missing and empty clips. Some clips of the test
    folder belong to another utterance of the same name, so their lengths should be checked (``check_clips``).

    Options:
        root: the folder; ``data/meld`` if it exists.
        clips: the folder of the unpacked MELD.Raw, if it differs from ``root``.
        widths: widths of simulated streams; real streams have their own.
        seed: seed of simulated conversations.

    Raises:
        InputError: if ``clips`` is set without annotations, or the files are missing or damaged.
    """

    published_counts = PUBLISHED
    public_files = MELD_FILES
    public_format = "multiemo"

    def __init__(
        self,
        *,
        root: Path | None = None,
        clips: Path | None = None,
        widths: dict[str, Size] | None = None,
        seed: Seed = 0,
    ) -> None:
        place = real_root(root, DEFAULT_ROOT, "MELD")
        if place is None:
            if clips is not None:
                what = f"is set, but MELD's annotations are not at {DEFAULT_ROOT}"
                raise InputError.at("[data] clips", what, "set root to the folder of the annotations")
            super().__init__(*simulate(MELD, seed=seed, widths=widths, instead_of=f"nothing is at {DEFAULT_ROOT}"))
        else:
            annotations = read_meld(place, find_clips(place, clips))
            super().__init__(annotations, FeatureFiles(place, annotations.rows, MODALITIES))


def find_clips(root: Path, clips: Path | None) -> dict[str, Path]:
    """Return the folder of each split's clips; warn about a split without one if another split has one.

    Raises:
        InputError: if ``clips`` does not exist, or contains no folder of MELD.Raw.
    """
    if clips is not None and not is_folder(clips):
        raise InputError.at("[data] clips", f"there is no folder {clips}", "the folder of the unpacked MELD.Raw")
    place = root if clips is None else clips
    found = {split: place / name for split, name in CLIPS.items() if is_folder(place / name)}
    if clips is not None and not found:
        raise InputError.at("[data] clips", f"{clips} contains none of {', '.join(CLIPS.values())}")
    for split in CLIPS:
        if found and split not in found:
            warnings.warn(f"MELD: no clips for {split}: {place / CLIPS[split]} does not exist", stacklevel=2)
    return found


def read_meld(root: Path, clips: Mapping[str, Path]) -> Annotations:
    """Read MELD's annotation files, with the clips in these folders.

    Raises:
        InputError: if an annotation file is missing or damaged.
    """
    paths = {split: root / f"{split}_sent_emo.csv" for split in SPLITS}
    records = {split: _records(split, path, clips.get(split)) for split, path in paths.items()}
    everything = only_there("MELD", [record for split in SPLITS for record in records[split]], BROKEN)
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
        broken=BROKEN,
    )


def _records(split: str, path: Path, clips: Path | None) -> list[Record]:
    needed = dict.fromkeys(COLUMNS, "a column of MELD's annotations")
    return [_record(split, row.where, row.fields, clips) for row in read_csv(path, needed)]


def _record(split: str, where: str, fields: Mapping[str, str], clips: Path | None) -> Record:
    start, end = _seconds(fields["StartTime"]), _seconds(fields["EndTime"])
    dialogue, utterance = fields["Dialogue_ID"].strip(), fields["Utterance_ID"].strip()
    return Record(
        where=where,
        id=(intern(f"{split}/{dialogue}"), intern(utterance)),
        speaker=intern(fields["Speaker"].strip()),
        text=fields["Utterance"],
        label=fields["Emotion"].strip(),
        time=None if start is None or end is None else (start, end),
        clip=None if clips is None else Clip(clips / f"dia{dialogue}_utt{utterance}.mp4"),
    )


def _seconds(time: str) -> float | None:
    """Return ``00:16:16,059`` in seconds; None for anything that is not a time, so that no utterance is lost."""
    parts = TIME.fullmatch(time.strip())
    if not parts:
        return None
    hours, minutes, seconds, thousandths = parts.groups()
    return int(hours) * 3600 + int(minutes) * 60 + int(seconds) + int(thousandths.ljust(3, "0")) / 1000
