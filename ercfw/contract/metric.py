"""Metrics: functions, or classes with options, that score the predictions of labelled utterances."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from ercfw.contract.targets import TargetForm

Made = TypeVar("Made")


@dataclass(frozen=True)
class ScoredRows:
    """The order of the rows that a metric scores, which have a label.

    Attributes:
        conversation: ``[N]`` int64, the number of each row's conversation; its rows follow each other.
        position: ``[N]`` int64, the place in the conversation, from 0, in which unlabelled utterances count.
        speaker: ``[N]`` int64, the number of the speaker in the conversation.
    """

    conversation: NDArray[np.int64]
    position: NDArray[np.int64]
    speaker: NDArray[np.int64]


class Metric(Protocol):
    """Scores predictions: one number, or one per class.

    A metric is a function, or a class whose keyword-only parameters are options of ``[metric.NAME]``. One that takes a
    fourth parameter gets the ``ScoredRows``. ``ercfw.metric`` declares which targets it serves.
    """

    def __call__(
        self, true: NDArray[Any], values: NDArray[np.float32], names: Sequence[str], /
    ) -> float | NDArray[np.float64]:
        """Return a float, or ``[C]``, for labelled utterances.

        Args:
            true: ``[N]`` int64 classes; ``[N, C]`` labels of 0 and 1; ``[N, C]`` numbers; or ``[N, C]`` shares of
                annotators.
            values: ``[N, C]``, the probabilities of classes or labels, or the numbers.
            names: the names of the C classes, labels or numbers.
        """
        ...


@dataclass(frozen=True)
class Scale:
    """How the scores of a metric are read.

    Attributes:
        lower_is_better: whether a smaller score is a better one, as for an error.
        in_points: whether a score of 1 is shown as 100 points; otherwise scores are shown as they are.
        lowest: the lowest possible score; None = there is none.
        highest: the highest possible score; None = there is none.
    """

    lower_is_better: bool = False
    in_points: bool = True
    lowest: float | None = 0.0
    highest: float | None = 1.0


SHARE = Scale()
"""The scale of a share, such as the accuracy."""
ERROR = Scale(lower_is_better=True, in_points=False, highest=None)
"""The scale of an error in the unit of the target."""
CORRELATION = Scale(in_points=False, lowest=-1.0)
"""The scale of a correlation."""


@dataclass(frozen=True)
class MetricTraits:
    """What the core knows of a metric.

    Attributes:
        serves: the forms of labels that it scores.
        scale: how its scores are read.
        range: the lowest and highest value of the numbers that it is defined for; None = any.
        target: the only target that it scores, which a recipe sets; None = all that it serves.
    """

    serves: tuple[TargetForm, ...] = ("classes",)
    scale: Scale = SHARE
    range: tuple[float, float] | None = None
    target: str | None = None


def metric(
    *serves: TargetForm, scale: Scale = SHARE, range: tuple[float, float] | None = None
) -> Callable[[Made], Made]:
    """Declare what a metric serves; one that declares nothing serves classes, and its scores are shares.

    Args:
        serves: the forms of labels that it scores.
        scale: how its scores are read.
        range: the lowest and highest value of the numbers that it is defined for; None = any.
    """

    def declare(of: Made) -> Made:
        of.traits = MetricTraits(serves or ("classes",), scale, range)  # type: ignore[attr-defined]
        return of

    return declare


def traits_of(of: Any) -> MetricTraits:
    """Return what a metric declares, or the default."""
    traits: MetricTraits = getattr(of, "traits", MetricTraits())
    return traits
