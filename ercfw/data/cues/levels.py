"""Numbers of a stream told in words: one of five levels, relative to the speaker's own utterances.

The levels are the quintiles of the speaker's utterances in train, as the descriptions of SpeechCueLLM (Wu et al., 2024,
arXiv:2407.21315) are relative to the speaker. Labels are not read.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise
from statistics import quantiles
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator

from ercfw.system.validation import Strict

WORDS = ("very low", "low", "medium", "high", "very high")
"""The levels, from the lowest to the highest."""
FEWEST = 20
"""Number of train utterances below which a speaker is judged by the utterances of all speakers."""


def _ascending(limits: tuple[float, float, float, float]) -> tuple[float, float, float, float]:
    if any(low > high for low, high in pairwise(limits)):
        raise ValueError("must be in ascending order")
    return limits


Limits = Annotated[tuple[float, float, float, float], AfterValidator(_ascending)]
"""The four limits between the five levels."""


class Levels(Strict):
    """The limits between the levels.

    Attributes:
        names: the name of each of the D numbers; empty = the number is left out.
        everyone: for each number by its name, the limits over the utterances of all speakers.
        speakers: the limits of each speaker with enough utterances.
    """

    names: tuple[str, ...]
    everyone: Mapping[str, Limits]
    speakers: Mapping[str, Mapping[str, Limits]]

    def tell(self, speaker: str, numbers: Sequence[float]) -> str:
        """Return the cues of an utterance, such as ``volume high, pitch very low``.

        Args:
            speaker: who says it; an unknown speaker is judged like those with few utterances.
            numbers: D numbers.
        """
        limits = self.speakers.get(speaker, self.everyone)
        named = zip(self.names, numbers, strict=True)
        return ", ".join(f"{name} {level_of(number, limits[name])}" for name, number in named if name)


def fit_levels(names: Sequence[str], speakers: Sequence[str], numbers: NDArray[np.float32]) -> Levels:
    """Return the levels of train utterances.

    Args:
        names: the name of each number; empty = the number is left out.
        speakers: who says each of the N utterances, at least one.
        numbers: ``[N, D]``.
    """
    rows: dict[str, list[int]] = {}
    for row, speaker in enumerate(speakers):
        rows.setdefault(speaker, []).append(row)
    return Levels(
        names=tuple(names),
        everyone=_limits(names, numbers),
        speakers={name: _limits(names, numbers[own]) for name, own in rows.items() if len(own) >= FEWEST},
    )


def _limits(names: Sequence[str], numbers: NDArray[np.float32]) -> dict[str, Limits]:
    columns = zip(names, numbers.T.tolist(), strict=True)
    return {name: quintiles(column) for name, column in columns if name}


def quintiles(numbers: Sequence[float]) -> tuple[float, float, float, float]:
    """Return the numbers below which a fifth, two, three and four fifths of some numbers are.

    Between two numbers, the limit is interpolated. Numbers that are float32 values give exact limits where no
    interpolation is needed.
    """
    known = list(numbers) if len(numbers) > 1 else [*numbers] * 2
    first, second, third, fourth = quantiles(known, n=len(WORDS), method="inclusive")
    return first, second, third, fourth


def level_of(number: float, limits: Limits) -> str:
    """Return the level of a number.

    A number that equals limits may belong to the levels on both sides of them. It gets the middle one; of two, the one
    that is farther from ``medium``. So a number that never changes is ``medium``, a value that a third of the
    utterances share is ``very low`` if it is the lowest and ``very high`` if it is the highest, and changed signs
    mirror the levels.
    """
    middle = (bisect_left(limits, number) + bisect_right(limits, number)) / 2
    return WORDS[math.floor(middle) if middle < len(WORDS) // 2 else math.ceil(middle)]
