"""The annotations of one split of MMSA's files: ids, texts, scores and classes."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ercfw import InputError, Mistake
from ercfw_formats import values

CLASSES = ("Negative", "Neutral", "Positive")
"""The classes 0, 1 and 2: of scores below 0, equal to 0, and above 0."""
SCORES = {
    "regression_labels": "sentiment",
    "regression_labels_T": "sentiment_text",
    "regression_labels_A": "sentiment_audio",
    "regression_labels_V": "sentiment_visual",
}
"""The target of each key with scores."""
BETWEEN = "$_$"
MOST_DIGITS = 18


@dataclass(frozen=True)
class Clips:
    """The n utterances of a split, in the order of the file.

    Attributes:
        videos: the name of each video.
        clips: the name of each clip, a number.
        texts: what is said.
        scores: for each target, its ``[n]`` scores.
        labels: the place of each class in ``CLASSES``.
    """

    videos: Sequence[str]
    clips: Sequence[str]
    texts: Sequence[str]
    scores: Mapping[str, NDArray[np.float32]]
    labels: Sequence[int]


def clips_of(where: str, table: Mapping[str, Any], limits: tuple[float, float]) -> Clips:
    """Read the annotations of a split.

    The classes are those of ``annotations``, else of ``classification_labels``, else the signs of the scores.

    Args:
        where: the file and the split, for messages.
        table: the content of the split.
        limits: the lowest and highest possible score.

    Raises:
        InputError: an id, a text, a score or a class is invalid; the error lists every id, score and class.
    """
    ids = values.texts(f"{where}: id", table["id"])
    mistakes = _of_ids(f"{where}: id", ids)
    scores = {name: values.reals(f"{where}: {key}", table[key]) for key, name in SCORES.items() if key in table}
    for key, name in SCORES.items():
        if name in scores:
            mistakes += _of_scores(f"{where}: {key}", ids, scores[name], limits)
    if "annotations" in table:
        words = values.texts(f"{where}: annotations", table["annotations"])
        labels = [CLASSES.index(word) if word in CLASSES else -1 for word in words]
        mistakes += _of_classes(f"{where}: annotations", ids, words, labels, ", ".join(CLASSES))
    elif "classification_labels" in table:
        given = values.numbers(f"{where}: classification_labels", table["classification_labels"])
        labels = [number if 0 <= number < len(CLASSES) else -1 for number in given]
        mistakes += _of_classes(f"{where}: classification_labels", ids, given, labels, "0, 1 or 2")
    else:
        labels = signs(scores["sentiment"])
    if mistakes:
        raise InputError(mistakes)
    parts = [id.rsplit(BETWEEN, 1) for id in ids]
    return Clips(
        videos=[video for video, _ in parts],
        clips=[clip for _, clip in parts],
        texts=values.texts(f"{where}: raw_text", table["raw_text"]),
        scores=scores,
        labels=labels,
    )


def signs(scores: NDArray[np.float32]) -> list[int]:
    """Return the place of the class in ``CLASSES`` that each score stands for."""
    return [int(sign) + 1 for sign in np.sign(scores)]


def _of_ids(where: str, ids: Sequence[str]) -> list[Mistake]:
    """Return the ids that do not name a video and the number of a clip, or occur more than once."""
    hint = f"expected video{BETWEEN}clip, where clip is a number; does the file have another version?"
    mistakes = [Mistake(where, f"'{id}' does not name a clip", hint) for id in ids if not _names_clip(id)]
    twice = [id for id, times in Counter(ids).items() if times > 1]
    return mistakes + [Mistake(where, f"names '{id}' more than once") for id in twice]


def _names_clip(id: str) -> bool:
    video, between, clip = id.rpartition(BETWEEN)
    return bool(video.strip() and between) and clip.isascii() and clip.isdecimal() and len(clip) <= MOST_DIGITS


def _of_scores(
    where: str, ids: Sequence[str], scores: NDArray[np.float32], limits: tuple[float, float]
) -> list[Mistake]:
    low, high = limits
    outside = np.flatnonzero(~((scores >= low) & (scores <= high))).tolist()
    hint = f"expected a number from {low:g} to {high:g}"
    return [Mistake(where, f"'{ids[row]}' has the score {scores[row]:g}", hint) for row in outside]


def _of_classes(
    where: str, ids: Sequence[str], given: Sequence[object], labels: Sequence[int], expected: str
) -> list[Mistake]:
    wrong = [row for row, label in enumerate(labels) if label < 0]
    return [Mistake(where, f"'{ids[row]}' has the class '{given[row]}'", f"expected {expected}") for row in wrong]
