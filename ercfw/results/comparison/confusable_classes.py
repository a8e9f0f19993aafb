"""Similar emotions and minority classes, about which the paper makes claims beside its averages."""

from collections.abc import Sequence
from dataclasses import dataclass

from ercfw.results.comparison.confusion_counts import Array, class_f1

NAMES = {
    "happiness": ("happiness", "happy", "joy"),
    "excitement": ("excitement", "excited"),
    "anger": ("anger", "angry"),
    "frustration": ("frustration", "frustrated"),
    "disgust": ("disgust", "disgusted"),
    "fear": ("fear", "fearful"),
    "sadness": ("sadness", "sad"),
}
"""Names that corpora use for an emotion."""
PAIRS = (("happiness", "excitement"), ("anger", "frustration"), ("anger", "disgust"), ("fear", "sadness"))
MINOR = 2 / 3
"""Classes below this fraction of an even share are minorities (MELD: fear, sadness, disgust; IEMOCAP: happiness)."""


@dataclass(frozen=True)
class Pair:
    """Pair of similar emotions.

    Attributes:
        one: the class number of the first.
        other: the class number of the second.
        taken: the share of the first that is predicted as the second, and the share of the second as the first.
        f1: the mean F1 of both.
    """

    one: int
    other: int
    taken: tuple[float, float]
    f1: float


def similar_pairs(counts: Array, classes: Sequence[str]) -> list[Pair]:
    """Return the similar pairs whose emotions are both among the classes, in their order, from ``[C, C]`` counts."""
    found = []
    f1 = class_f1(counts)  # [C]
    for names in PAIRS:
        numbers = sorted(number for name in names if (number := _class(name, classes)) is not None)
        if len(numbers) == len(names):
            one, other = numbers
            taken = tuple(float(counts[a, b] / max(1, counts[a].sum())) for a, b in ((one, other), (other, one)))
            found.append(Pair(one, other, (taken[0], taken[1]), float((f1[one] + f1[other]) / 2)))
    return sorted(found, key=lambda pair: (pair.one, pair.other))


def _class(emotion: str, classes: Sequence[str]) -> int | None:
    return next((number for number, name in enumerate(classes) if name.lower() in NAMES[emotion]), None)


def minority_classes(trained: Sequence[int]) -> list[int]:
    """Return the classes with less than two thirds of an even share of the training utterances."""
    even = sum(trained) / max(1, len(trained))
    return [number for number, count in enumerate(trained) if 0 < count < MINOR * even]
