"""EmoryNLP (Zahiri and Choi, 2018): three annotation files, and one feature file per modality."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from sys import intern
from types import MappingProxyType
from typing import Annotated, Literal

from pydantic import Field

from ercfw import SPLITS, InputError, Mistake, Provenance, Size, Split, TableRow, is_file, sha256
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
from ercfw_datasets.corpus import Corpus, FeatureFiles
from ercfw_datasets.real_or_simulated import real_root
from ercfw_datasets.shapes import EMORYNLP
from ercfw_datasets.simulated import Seed, simulate
from ercfw_datasets.simulated_targets import SENTIMENTS
from ercfw_datasets.source_files import table_rows
from ercfw_datasets.speaker_lists import joint_speaker
from ercfw_datasets.unpacked import first_below

DEFAULT_ROOT = Path("data/emorynlp")
TRANSCRIPT: Mapping[str, str | tuple[str, ...]] = MappingProxyType({
    "conversation": ("Season", "Episode", "Scene_ID"), "utterance": "Utterance_ID", "speaker": "Speaker",
    "text": "Utterance",
})  # fmt: skip
"""Without the times, which count from the start of the episode."""
COLUMNS = {**TRANSCRIPT, "label": "Emotion", "start": "Start_Time", "end": "End_Time"}
SENTIMENT_OF = MappingProxyType({
    "Joyful": "positive", "Mad": "negative", "Neutral": "neutral", "Peaceful": "positive", "Powerful": "positive",
    "Sad": "negative", "Scared": "negative",
})  # fmt: skip
"""The coarse-grained emotions of the paper."""

PUBLISHED = {
    "train": EMORYNLP.counts,
    "dev": (205, 97, 322, 82, 70, 51, 127),
    "test": (217, 86, 288, 111, 96, 70, 116),
}
"""Utterances of each class in declare-lab's files: 7551, 954 and 984, as published."""


class EmoryNlp(Corpus):
    """EmoryNLP: 659, 89 and 79 scenes of a television series in train, dev and test, seven emotions.

    The annotations are ``<root>/emorynlp_{train,dev,test}_final.csv``, the form of declare-lab, which lacks some
    utterances of the corpus. They may also be up to three folders deeper. Features are in
    ``<root>/<modality>.safetensors`` (rows by utterance id), or ``.npy``, ``.npz`` (the rows of the train, dev and test
    file in this order). A conversation is a scene and is named by season, episode and scene: ``2/1/14``. Utterance ids
    are those of the source, which begin at 1 and have gaps. If ``root`` is not set and there is nothing at the default
    place, conversations in the shape of EmoryNLP are simulated.

    The speaker field is a list, such as ``['Monica Geller']``. If it names several people, they are one speaker of
    their own, whose name joins theirs in alphabetical order: ``Monica Geller and Phoebe Buffay``. What each of them
    says alone belongs to another speaker.

    The files have wrong and overlapping times. They cost no utterance; ``ercfw data check`` reports them.

    Options:
        root: the folder; ``data/emorynlp`` if it exists.
        labels: the class for a label of the corpus, to rename or merge classes (``Scared = "Sad"``), or ``""`` to
            leave its utterances out of their conversations.
        classes: the classes in order; utterances of other classes are left out of their conversations, with a warning.
        targets: ``emotion``, ``sentiment`` (the makers' groups: positive is Joyful, Peaceful and Powerful, negative is
            Mad, Sad and Scared), or both; by default the emotion alone.
        widths: widths of simulated streams; real streams have their own.
        seed: seed of simulated conversations.

    Raises:
        InputError: if ``labels`` or ``classes`` name an unknown class, or the files are missing or damaged.
    """

    published_counts = PUBLISHED
    transcript_columns = TRANSCRIPT
    transcript_speaker = staticmethod(joint_speaker)

    def __init__(
        self,
        *,
        root: Path | None = None,
        labels: dict[str, str] | None = None,
        classes: tuple[str, ...] | None = None,
        targets: Annotated[tuple[Literal["emotion", "sentiment"], ...], Field(min_length=1)] | None = None,
        widths: dict[str, Size] | None = None,
        seed: Seed = 0,
    ) -> None:
        choice = choose_classes(EMORYNLP.classes, labels, classes)
        if not choice.is_own or (targets is not None and targets[0] != TARGET):
            self.published_counts = {}
        place = real_root(root, DEFAULT_ROOT, "EmoryNLP")
        if place is None:
            why = f"nothing is at {DEFAULT_ROOT}"
            super().__init__(*simulate(EMORYNLP, choice, seed=seed, widths=widths, targets=targets, instead_of=why))
        else:
            annotations = choose_targets(read_emorynlp(place, choice), targets or (TARGET,))
            super().__init__(annotations, FeatureFiles(place, annotations.rows))


def read_emorynlp(root: Path, choice: ClassChoice) -> Annotations:
    """Read EmoryNLP's annotation files with these classes, and the sentiments.

    Raises:
        InputError: if an annotation file is missing or damaged.
    """
    names = {split: f"emorynlp_{split}_final.csv" for split in SPLITS}
    paths = {split: first_below(root, name, is_file) or root / name for split, name in names.items()}
    needed = dict.fromkeys(COLUMNS, "a column of EmoryNLP's annotations")
    rows = {split: table_rows(path, COLUMNS, needed) for split, path in paths.items()}
    splits = _split_of_scenes(rows)
    labelled = _records([row for split in SPLITS for row in rows[split]])
    everything = choice.of(labelled)
    sentiments = [_sentiment(*of) for of in zip(labelled, everything, strict=True)]
    conversations = with_labels(
        to_annotated(everything, splits, choice.classes),
        "sentiment",
        class_labels(everything, sentiments, SENTIMENTS),
    )
    return Annotations(
        conversations=conversations,
        targets={TARGET: choice.classes, "sentiment": SENTIMENTS},
        rows=tuple(record.id for record in everything),
        source_train=frozenset(row.id for row in rows["train"]),
        provenance=Provenance(
            f"EmoryNLP, {len(everything)} utterances", files={str(path): sha256(path) for path in paths.values()}
        ),
    )


def _split_of_scenes(rows: Mapping[Split, Sequence[TableRow]]) -> dict[str, str]:
    """Return the split of each scene.

    Raises:
        InputError: if a scene is in two splits.
    """
    splits: dict[str, str] = {}
    mistakes: dict[str, Mistake] = {}
    for split, of_split in rows.items():
        for row in of_split:
            first = splits.setdefault(row.id[0], split)
            if first != split:
                what = f"scene '{row.id[0]}' is in {first} and in {split}"
                mistakes.setdefault(row.id[0], Mistake(row.place("conversation"), what, "put it into one file"))
    if mistakes:
        raise InputError(list(mistakes.values()))
    return splits


def _records(rows: Sequence[TableRow]) -> list[Record]:
    records, mistakes = [], []
    for row in rows:
        try:
            speaker = intern(joint_speaker(row.speaker))
        except ValueError as error:
            mistakes.append(Mistake(row.place("speaker"), str(error)))
            continue
        records.append(
            Record(
                where=row.where,
                id=row.id,
                speaker=speaker,
                text=row.text,
                label=row.fields["label"].strip(),
                time=row.stretch().both,  # invalid times cost no utterance: EmoryNLP is known to have some
            )
        )
    if mistakes:
        raise InputError(mistakes)
    return records


def _sentiment(source: Record, classed: Record) -> str:
    """Return the sentiment of a label; of one that the recipe renames to one of the corpus', that of the new name."""
    renamed = SENTIMENT_OF.get(classed.label or "", "")
    return SENTIMENT_OF.get(source.label or "", renamed)
