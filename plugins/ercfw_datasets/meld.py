"""MELD (Poria et al., 2019): three annotation files, one feature file per modality, and its clips."""

import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from sys import intern
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field

from ercfw import SPLITS, Clip, InputError, Provenance, Size, TableRow, is_file, is_folder, sha256
from ercfw_datasets.annotations import (
    TARGET,
    Annotations,
    Record,
    choose_targets,
    class_labels,
    to_annotated,
    with_labels,
)
from ercfw_datasets.class_choice import ClassChoice, choose_classes
from ercfw_datasets.clips import only_there
from ercfw_datasets.corpus import Corpus, FeatureFiles
from ercfw_datasets.public_files import MELD_FILES
from ercfw_datasets.real_or_simulated import real_root
from ercfw_datasets.shapes import MELD, MODALITIES
from ercfw_datasets.simulated import Seed, simulate
from ercfw_datasets.simulated_targets import SENTIMENTS
from ercfw_datasets.source_files import table_rows
from ercfw_datasets.unpacked import first_below

DEFAULT_ROOT = Path("data/meld")
COLUMNS = {
    "conversation": "Dialogue_ID", "utterance": "Utterance_ID", "speaker": "Speaker", "text": "Utterance",
    "label": "Emotion", "start": "StartTime", "end": "EndTime",
}  # fmt: skip
SENTIMENT = {"sentiment": "Sentiment"}
"""The column of the second target, which only some recipes read."""
TRANSCRIPT = MappingProxyType({role: COLUMNS[role] for role in ("conversation", "utterance", "speaker", "text")})
"""Without the times, which count from the start of the episode, not of the clip."""
CLIPS = {"train": "train_splits", "dev": "dev_splits_complete", "test": "output_repeated_splits_test"}
"""The folders of the unpacked MELD.Raw."""
CLIP = re.compile(r"dia\d+_utt\d+\.mp4")

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


class Meld(Corpus):
    """MELD: 1038, 114 and 280 conversations of a television series in train, dev and test, seven emotions.

    The annotations are ``<root>/{train,dev,test}_sent_emo.csv``. Features are in ``<root>/<modality>.safetensors``
    (rows by utterance id), or ``.npy``, ``.npz`` (the rows of the train, dev and test file in this order). Every split
    numbers its conversations from 0, so they are named ``train/12``. Utterance ids are those of the source, which have
    gaps. If ``root`` is not set and there is nothing at the default place, conversations in the shape of MELD are
    simulated.

    If ``train_splits``, ``dev_splits_complete`` or ``output_repeated_splits_test`` of MELD.Raw are unpacked, each
    utterance has its clip there, ``dia12_utt3.mp4``. These folders, and the annotations, may also be up to three
    folders deeper, as in ``MELD.Raw/train/train_splits``; folders ``train``, ``dev`` and ``test`` with clips count,
    too. A warning counts missing and empty clips. Some clips of the test folder belong to another utterance of the same
    name, so their lengths should be checked (``check_clips``).

    Options:
        root: the folder; ``data/meld`` if it exists.
        clips: the folder of the unpacked MELD.Raw, if it differs from ``root``.
        labels: the class for a label of the corpus, to rename or merge classes (``disgust = "anger"``), or ``""`` to
            leave its utterances out of their conversations.
        classes: the classes in order; utterances of other classes are left out of their conversations, with a warning.
        targets: ``emotion``, ``sentiment`` (the corpus' own: negative, neutral, positive), or both; by default the
            emotion alone.
        widths: widths of simulated streams; real streams have their own.
        seed: seed of simulated conversations.

    Raises:
        InputError: if ``clips`` is set without annotations, ``labels`` or ``classes`` name an unknown class, or the
            files are missing or damaged.
    """

    published_counts = PUBLISHED
    public_files = MELD_FILES
    public_format = "multiemo"
    transcript_columns = TRANSCRIPT
    transcript_clip = "dia{conversation}_utt{utterance}"

    def __init__(
        self,
        *,
        root: Path | None = None,
        clips: Path | None = None,
        labels: dict[str, str] | None = None,
        classes: tuple[str, ...] | None = None,
        targets: Annotated[tuple[Literal["emotion", "sentiment"], ...], Field(min_length=1)] | None = None,
        widths: dict[str, Size] | None = None,
        seed: Seed = 0,
    ) -> None:
        choice = choose_classes(MELD.classes, labels, classes)
        if not choice.is_own or (targets is not None and targets[0] != TARGET):
            self.published_counts = {}
        place = real_root(root, DEFAULT_ROOT, "MELD")
        if place is None:
            if clips is not None:
                what = f"is set, but MELD's annotations are not at {DEFAULT_ROOT}"
                raise InputError.missing("[data] clips", what, "set root to the folder of the annotations")
            why = f"nothing is at {DEFAULT_ROOT}"
            super().__init__(*simulate(MELD, choice, seed=seed, widths=widths, targets=targets, instead_of=why))
        else:
            chosen = targets or (TARGET,)
            annotations = choose_targets(read_meld(place, find_clips(place, clips), choice, chosen), chosen)
            super().__init__(annotations, FeatureFiles(place, annotations.rows, MODALITIES))


def find_clips(root: Path, clips: Path | None) -> dict[str, Path]:
    """Return the folder of each split's clips; warn about a split without one if another split has one.

    Raises:
        InputError: if ``clips`` does not exist, or contains no folder of MELD.Raw.
    """
    if clips is not None and not is_folder(clips):
        raise InputError.missing("[data] clips", f"there is no folder {clips}", "the folder of the unpacked MELD.Raw")
    place = root if clips is None else clips
    found = {split: folder for split in CLIPS if (folder := _clips_of(place, split)) is not None}
    if clips is not None and not found:
        raise InputError.missing("[data] clips", f"{clips} contains none of {', '.join(CLIPS.values())}")
    for split in CLIPS:
        if found and split not in found:
            warnings.warn(f"MELD: no clips for {split}: {place / CLIPS[split]} does not exist", stacklevel=2)
    return found


def _clips_of(place: Path, split: str) -> Path | None:
    """Return the nearest folder with clips that is named like that of MELD.Raw, or else like the split."""
    return (
        first_below(place, CLIPS[split], _contains_clips)
        or first_below(place, split, _contains_clips)
        or first_below(place, CLIPS[split], is_folder)
    )


def _contains_clips(folder: Path) -> bool:
    return is_folder(folder) and any(CLIP.fullmatch(path.name) for path in folder.iterdir())


def read_meld(
    root: Path, clips: Mapping[str, Path], choice: ClassChoice, targets: Sequence[str] = (TARGET,)
) -> Annotations:
    """Read MELD's annotation files, with the clips in these folders, these classes, and these targets.

    Raises:
        InputError: if an annotation file is missing or damaged.
    """
    names = {split: f"{split}_sent_emo.csv" for split in SPLITS}
    paths = {split: first_below(root, name, is_file) or root / name for split, name in names.items()}
    records = {split: _records(split, path, clips.get(split)) for split, path in paths.items()}
    classed = choice.of([record for split in SPLITS for record in records[split]])
    everything = only_there("MELD", classed, BROKEN)
    splits = {record.id[0]: record.id[0].split("/")[0] for record in everything}
    conversations, found = to_annotated(everything, splits, choice.classes), {TARGET: choice.classes}
    if "sentiment" in targets:
        sentiments = class_labels(everything, [record.sentiment for record in everything], SENTIMENTS, "")
        conversations, found["sentiment"] = with_labels(conversations, "sentiment", sentiments), SENTIMENTS
    return Annotations(
        conversations=conversations,
        targets=found,
        rows=tuple(record.id for record in everything),
        source_train=frozenset(record.id for record in records["train"]),
        provenance=Provenance(
            f"MELD, {len(everything)} utterances", files={str(path): sha256(path) for path in paths.values()}
        ),
        broken=BROKEN,
    )


def _records(split: str, path: Path, clips: Path | None) -> list[Record]:
    needed = dict.fromkeys(COLUMNS, "a column of MELD's annotations")
    return [_record(split, row, clips) for row in table_rows(path, {**COLUMNS, **SENTIMENT}, needed)]


def _record(split: str, row: TableRow, clips: Path | None) -> Record:
    dialogue, utterance = row.id
    return Record(
        where=row.where,
        id=(intern(f"{split}/{dialogue}"), utterance),
        speaker=intern(row.speaker.strip()),
        text=row.text,
        label=row.fields["label"].strip(),
        sentiment=row.fields.get("sentiment", "").strip(),
        time=row.stretch().both,  # invalid times cost no utterance: MELD is known to have some
        clip=None if clips is None else Clip(clips / f"dia{dialogue}_utt{utterance}.mp4"),
    )
