"""M3ED (Zhao et al., 2022): dialogues of two people from Chinese TV series, annotated in one JSON file."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from sys import intern
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ercfw import (
    Clip,
    InputError,
    Mistake,
    Provenance,
    Size,
    Split,
    Target,
    UtteranceId,
    did_you_mean,
    is_file,
    is_folder,
    sha256,
)
from ercfw_datasets.annotations import TARGET, Annotations, Record, choose_targets, to_annotated, with_labels
from ercfw_datasets.class_choice import ClassChoice, choose_classes
from ercfw_datasets.clips import only_there, warn_of
from ercfw_datasets.corpus import Corpus, FeatureFiles
from ercfw_datasets.m3ed_files import (
    ANNOTATIONS,
    LISTS,
    Dialogue,
    Series,
    Turn,
    in_order,
    read_annotations,
    read_splits,
    seconds_of,
)
from ercfw_datasets.real_or_simulated import check_can_be_simulated, real_root
from ercfw_datasets.shapes import M3ED
from ercfw_datasets.simulated import Seed, simulate
from ercfw_datasets.unpacked import first_below

DEFAULT_ROOT = Path("data/m3ed")
CODES = {name.capitalize(): name for name in M3ED.classes}
"""The corpus' own spelling of each emotion."""
MIXED = "mixed"
SOUNDS = "modality_speech"
"""The folder of the utterances' sound."""
PUBLISHED: Mapping[str, tuple[int, ...]] = {"train": M3ED.counts, "dev": (303, 1043, 489, 134, 682, 50, 120)}
"""Utterances of each class. Those of test (4201 in all) are not known for certain."""


class M3ed(Corpus):
    """M3ED: 685, 126 and 179 dialogues from Chinese TV series in train, dev and test, seven emotions.

    The annotations are ``<root>/annotation.json``. The lists ``splitInfo/movie_list_train.txt``, ``movie_list_val.txt``
    and ``movie_list_test.txt`` say which series is in which split. All of them may be up to three folders deep.
    Features are in ``<root>/<modality>.safetensors`` (rows by utterance id), or ``.npy``, ``.npz`` (the utterances in
    the order of the file, and within a dialogue by the number at the end of their names).

    The class is ``final_main_emo``. Some utterances have several emotions, ``final_mul_emo``, which are the target
    ``mixed``. Speakers have their names in ``SpeakerInfo``, or else the letters A and B. Times such as ``00:00:01:04``
    count hours, minutes, seconds and frames of 40 ms from the start of the dialogue. An utterance with other times has
    none, and ``ercfw data check`` counts it.

    If there is a folder ``modality_speech``, each utterance has its sound there, ``A_anjia_1_2.wav``: the speaker's
    letter and the utterance. A warning counts missing and empty files. If ``root`` is not set and there is nothing at
    the default place, conversations in the shape of M3ED are simulated. This reader was written from published
    descriptions and was never run on the corpus.

    Options:
        root: the folder; ``data/m3ed`` if it exists.
        clips: the folder that contains ``modality_speech``, or is it, if it is not below ``root``.
        labels: the class for a label of the corpus, to rename or merge classes (``disgust = "anger"``), or ``""`` to
            leave its utterances out of their conversations.
        classes: the classes in order; utterances of other classes are left out of their conversations, with a warning.
        targets: ``emotion`` (the main one), ``mixed`` (all emotions of an utterance, as several labels), or both; by
            default the main emotion alone. Mixed emotions cannot be simulated.
        widths: widths of simulated streams; real streams have their own.
        seed: seed of simulated conversations.

    Raises:
        InputError: if ``clips`` is set without annotations, ``labels`` or ``classes`` name an unknown class, or the
            files are missing, damaged or of another form.
    """

    published_counts = PUBLISHED

    def __init__(
        self,
        *,
        root: Path | None = None,
        clips: Path | None = None,
        labels: dict[str, str] | None = None,
        classes: tuple[str, ...] | None = None,
        targets: Annotated[tuple[Literal["emotion", "mixed"], ...], Field(min_length=1)] | None = None,
        widths: dict[str, Size] | None = None,
        seed: Seed = 0,
    ) -> None:
        choice = choose_classes(M3ED.classes, labels, classes, CODES)
        chosen = targets or (TARGET,)
        if not choice.is_own or chosen[0] != TARGET:
            self.published_counts = {}
        place = real_root(root, DEFAULT_ROOT, "M3ED")
        if place is None:
            check_can_be_simulated(chosen, (TARGET,), DEFAULT_ROOT)
            if clips is not None:
                what = f"is set, but M3ED's annotations are not at {DEFAULT_ROOT}"
                raise InputError.missing("[data] clips", what, "set root to the folder of the annotations")
            why = f"nothing is at {DEFAULT_ROOT}"
            super().__init__(*simulate(M3ED, choice, seed=seed, widths=widths, instead_of=why))
        else:
            annotations = choose_targets(read_m3ed(place, find_sounds(place, clips), choice, chosen), chosen)
            super().__init__(annotations, FeatureFiles(place, annotations.rows, M3ED.modalities))


def find_sounds(root: Path, clips: Path | None) -> Path | None:
    """Return the folder of the utterances' sound; None if there is none below the root.

    Raises:
        InputError: if ``clips`` does not exist.
    """
    if clips is not None and not is_folder(clips):
        raise InputError.missing("[data] clips", f"there is no folder {clips}", f"the folder that contains {SOUNDS}")
    return first_below(clips or root, SOUNDS, is_folder) or clips


def read_m3ed(root: Path, sounds: Path | None, choice: ClassChoice, targets: Sequence[str] = (TARGET,)) -> Annotations:
    """Read M3ED's annotations, with the sound in this folder, these classes, and these targets.

    Raises:
        InputError: if a file is missing, damaged or of another form, a series is in no split or in two, a dialogue is
            in two series, or an emotion is unknown.
    """
    path = first_below(root, ANNOTATIONS, is_file) or root / ANNOTATIONS
    lists = {split: _find_list(root, name) for split, name in LISTS.items()}
    series, split_of = read_annotations(path), read_splits(lists)
    _check_names(path, series, split_of)
    absent = [name for name in split_of if name not in series]
    if absent:
        warn_of("M3ED", f"series of the lists that are not in {path.name}", absent)
    turns = {
        (name, utterance): (turn, dialogue)
        for dialogues in series.values()
        for name, dialogue in dialogues.items()
        for utterance, turn in in_order(dialogue.Dialog)
    }
    named = [_record(path, id, turn, dialogue, sounds) for id, (turn, dialogue) in turns.items()]
    records = only_there("M3ED", choice.of(named))
    splits = {dialogue: split_of[name] for name, dialogues in series.items() for dialogue in dialogues}
    conversations = to_annotated(records, splits, choice.classes)
    found: dict[str, Target | tuple[str, ...]] = {TARGET: choice.classes}
    if MIXED in targets:
        mixed = _mixed(path, {id: turn for id, (turn, _) in turns.items()}, choice)
        conversations = with_labels(conversations, MIXED, mixed)
        found[MIXED] = Target(choice.classes, "multilabel")
    return Annotations(
        conversations=conversations,
        targets=found,
        rows=tuple(record.id for record in records),
        source_train=frozenset(record.id for record in records if splits[record.id[0]] == "train"),
        provenance=Provenance(
            f"M3ED, {len(records)} utterances", files={str(file): sha256(file) for file in (path, *lists.values())}
        ),
    )


def _find_list(root: Path, name: str) -> Path:
    folder = "splitInfo"
    return first_below(root, f"{folder}/{name}", is_file) or first_below(root, name, is_file) or root / folder / name


def _check_names(path: Path, series: Series, splits: Mapping[str, Split]) -> None:
    """Check that each series is in a split, and that no dialogue is in two series.

    Raises:
        InputError: with every series and dialogue of which this is not true.
    """
    lists = ", ".join(LISTS.values())
    mistakes = [
        Mistake(f"{path}: {name}", "this series is in no split", f"write its name in one of {lists}")
        for name in series
        if name not in splits
    ]
    first: dict[str, str] = {}
    for name, dialogues in series.items():
        for dialogue in dialogues:
            if first.setdefault(dialogue, name) != name:
                what = f"the dialogue '{dialogue}' is also in '{first[dialogue]}'"
                mistakes.append(Mistake(f"{path}: {name}", what, "rename one of them"))
    if mistakes:
        raise InputError(mistakes)


def _record(path: Path, id: UtteranceId, turn: Turn, dialogue: Dialogue, sounds: Path | None) -> Record:
    start, end = seconds_of(turn.StartTime), seconds_of(turn.EndTime)
    letter = turn.Speaker.strip()
    return Record(
        where=f"{path}: {id[1]}",
        id=(intern(id[0]), id[1]),
        speaker=intern(_speaker(letter, dialogue)),
        text=turn.Text.strip(),
        label=turn.EmoAnnotation.final_main_emo.strip(),
        time=None if start is None or end is None else (start, end),
        clip=None if sounds is None else Clip(sounds / f"{letter}_{id[1]}.wav"),
    )


def _speaker(letter: str, dialogue: Dialogue) -> str:
    """Return the name behind a letter, or the letter if names do not tell the speakers apart."""
    names = {
        each: str(about.get("Name", "")).strip()
        for each, about in dialogue.SpeakerInfo.items()
        if isinstance(about, dict)
    }
    name = names.get(letter, "")
    return name if list(names.values()).count(name) == 1 and name else letter


def _mixed(
    path: Path, turns: Mapping[UtteranceId, Turn], choice: ClassChoice
) -> dict[UtteranceId, NDArray[np.float32]]:
    """Return which of the C classes each utterance has, ``[C]`` of 1 and 0; NaN if it has no emotion at all.

    Raises:
        InputError: if an emotion is unknown.
    """
    labels: dict[UtteranceId, NDArray[np.float32]] = {}
    mistakes: list[Mistake] = []
    for id, turn in turns.items():
        names = [name.strip() for name in turn.EmoAnnotation.final_mul_emo.split(",") if name.strip()]
        known = [choice.codes.get(name, name) for name in names]
        for name in known:
            if name not in choice.by_label:
                place = f"{path}: {id[1]}, final_mul_emo"
                mistakes.append(Mistake(place, f"not a class of this corpus: '{name}'", did_you_mean(name, CODES)))
        here = {choice.by_label.get(name) for name in known}
        row = [float(name in here) for name in choice.classes] if names else [np.nan] * len(choice.classes)
        labels[id] = np.array(row, np.float32)  # [C]
    if mistakes:
        raise InputError(mistakes)
    return labels
