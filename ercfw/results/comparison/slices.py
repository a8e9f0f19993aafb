"""Scores of slices of the utterances: by emotion shift, position, length, speaker, modality or kind."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ercfw.contract.conversation import UNLABELLED
from ercfw.contract.targets import TargetKind
from ercfw.results.comparison.summed_scores import SUMMED
from ercfw.results.finished_run import FinishedRun, Group
from ercfw.results.target_predictions import TargetPredictions

Names = NDArray[np.str_]
"""``[N]`` names of the slice that each utterance is in; "" = in none."""
Row = Mapping[str, str]
MAIN: Mapping[TargetKind, tuple[str, str]] = {
    "classes": ("weighted F1", "weighted-f1"),
    "regression": ("mean absolute error", "mae"),
    "multilabel": ("micro F1", "label-micro-f1"),
}
"""The score of a slice for each kind of target: its name for readers, and that of the metric."""
PLACES = ((1, "1st"), (5, "2nd to 5th"), (10, "6th to 10th"))
LENGTHS = ((1, "1 utterance"), (5, "2 to 5"), (10, "6 to 10"), (20, "11 to 20"))


@dataclass(frozen=True)
class Slice:
    """Slice: utterances that share a property.

    Attributes:
        by: the property that defines the slices.
        name: the name of this slice.
        utterances: the number of labelled utterances.
        scores: the main score of the target's kind (``MAIN``) of each seed, by the group's name.
    """

    by: str
    name: str
    utterances: int
    scores: Mapping[str, Sequence[float]]


def find_slices(groups: Sequence[Group], split: str, target: str) -> list[Slice]:
    """Return every slice of the labelled utterances of a split; all groups must have the same utterances."""
    first = groups[0].first
    answers = first.answers(split, target)
    real = answers.labelled
    found = []
    for by, names in _ways(first, split, answers).items():
        parts = sorted({*names[real].tolist()} - {""}, key=_order)
        for part in parts if len(parts) > 1 else ():
            rows = real & (names == part)
            scores = {g.name: [_score(run.answers(split, target), rows) for run in g.runs] for g in groups}
            found.append(Slice(by, part, int(rows.sum()), scores))
    return found


def _order(name: str) -> tuple[int, str]:
    """Return a sort key: positions and lengths in ascending order, the rest by name."""
    names = [name for _, name in (*PLACES, *LENGTHS)]
    return (names.index(name) if name in names else len(names), name)


def _score(answers: TargetPredictions, rows: NDArray[np.bool_]) -> float:
    kind = SUMMED[answers.kind]
    sums = kind.sums(answers.take(np.flatnonzero(rows))).sum(0)
    return float(kind.whole[MAIN[answers.kind][1]](sums))


def _ways(run: FinishedRun, split: str, answers: TargetPredictions) -> dict[str, Names]:
    """Return the slice names of a run's utterances, by property."""
    rows = run.of_split(split).rows()
    place, length = _places([row["conversation"] for row in rows])
    return {
        **(_shift_ways(answers, rows) if answers.kind == "classes" else {}),
        "position in the conversation": _binned(place, PLACES, "11th and later"),
        "length of the conversation": _binned(length, LENGTHS, "more than 20"),
        "speaker": _named(rows, "new_speaker", {"yes": "not in train", "no": "also in train"}.get),
        "modalities": _named(rows, "lacks", _without),
        "kind of conversation": _named(rows, "kind", lambda kind: kind),
    }


def _shift_ways(answers: TargetPredictions, rows: Sequence[Row]) -> dict[str, Names]:
    by_speaker = [(row["conversation"], row["speaker"]) for row in rows]
    return {
        "emotion shift from the speaker's previous utterance": _shifts(answers.labels, by_speaker),
        "emotion shift from the previous utterance": _shifts(answers.labels, [(row["conversation"],) for row in rows]),
    }


def _without(lacks: str) -> str:
    return f"without {lacks.replace(' ', ', ')}" if lacks else "all present"


def _shifts(labels: NDArray[np.int64], keys: Sequence[tuple[str, ...]]) -> Names:
    """Return "shift" or "no shift" from the previous utterance with the same key; "" if a label is missing."""
    last: dict[tuple[str, ...], int] = {}
    names = []
    for key, label in zip(keys, labels.tolist(), strict=True):
        before = last.get(key, UNLABELLED)
        known = UNLABELLED not in (before, label)
        names.append(("no shift" if before == label else "shift") if known else "")
        last[key] = label
    return np.array(names, dtype=np.str_)


def _places(conversations: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return each utterance's position, from 1, and the length of its conversation, ``[N]`` each."""
    lengths: dict[str, int] = {}
    place = []
    for name in conversations:
        lengths[name] = lengths.get(name, 0) + 1
        place.append(lengths[name])
    return np.array(place, np.int64), np.array([lengths[name] for name in conversations], np.int64)


def _binned(values: NDArray[np.int64], bins: Sequence[tuple[int, str]], beyond: str) -> Names:
    place = np.searchsorted([most for most, _ in bins], values)
    return np.array([*(name for _, name in bins), beyond], dtype=np.str_)[place]


def _named(rows: Sequence[Row], column: str, name: Callable[[str], str | None]) -> Names:
    """Name slices by a column; older runs lack it."""
    return np.array([name(row[column]) or "" if column in row else "" for row in rows], dtype=np.str_)
