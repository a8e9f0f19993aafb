"""The checks of every metric.

Each takes a ``DataSubject``, whose factory is the metric, and raises ``CheckFailed`` if it breaks the promise.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ercfw.errors import cause_of
from ercfw.testing.data_checks import DataSubject
from ercfw.testing.fixtures import CLASSES
from ercfw.testing.outcome import CheckFailed

CLASS_NAMES: Sequence[tuple[str, ...]] = (
    CLASSES,
    ("-1", "0", "1", "2"),
    ("-3", "-2", "-1", "0", "1", "2", "3"),
    ("0", "1"),
    ("negative", "positive"),
)
"""Names of classes in use. A metric may serve some of them only, such as numbers or two classes."""


def made_answers(classes: int = len(CLASSES), rows: int = 40) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Make labels ``[N]`` and probabilities ``[N, C]`` that are right more often than not."""
    draw = np.random.default_rng(0)
    true = draw.integers(classes, size=rows)
    scores = draw.random((rows, classes)) + np.eye(classes)[true] * 0.7
    return true, (scores / scores.sum(1, keepdims=True)).astype(np.float32)


def gives_a_score(subject: DataSubject) -> None:
    """Check that a metric returns a finite float, or one per class.

    The order of utterances must not matter, and the inputs must stay unchanged.
    """
    for classes in _served(subject.factory):
        true, probabilities = made_answers(len(classes))
        before = true.copy(), probabilities.copy()
        score = np.asarray(subject.factory(true, probabilities, classes))
        if score.shape not in ((), (len(classes),)) or not np.isfinite(score).all():
            what = f"shape {list(score.shape)}, or NaN, for {_named(classes)}"
            raise CheckFailed(f"it returns {what} (it should return a finite float, or [C])")
        if not (np.array_equal(true, before[0]) and np.array_equal(probabilities, before[1])):
            raise CheckFailed("it changes its inputs in place")
        order = np.random.default_rng(1).permutation(len(true))
        if not np.allclose(score, subject.factory(true[order], probabilities[order], classes)):
            raise CheckFailed("the order of the utterances changes the score")


def unseen_classes(subject: DataSubject) -> None:
    """Check that the score is finite where a class has no utterance."""
    for classes in _served(subject.factory):
        true, probabilities = made_answers(len(classes))
        seen = true % (len(classes) // 2)
        if not np.isfinite(np.asarray(subject.factory(seen, probabilities, classes))).all():
            raise CheckFailed(f"it returns NaN or infinity where a class has no utterance, for {_named(classes)}")


def _served(metric: Callable[..., Any]) -> Sequence[tuple[str, ...]]:
    """Return those names of classes with which the metric runs.

    Raises:
        CheckFailed: there are none.
    """
    served: list[tuple[str, ...]] = []
    failures: list[str] = []
    for classes in CLASS_NAMES:
        try:
            metric(*made_answers(len(classes)), classes)
        except Exception as error:  # the metric's own code may raise anything
            failures.append(f"{_named(classes)}: {cause_of(error)}")
        else:
            served.append(classes)
    if not served:
        raise CheckFailed(f"it fails for {failures[0]}; and for other classes, such as {failures[1]}")
    return served


def _named(classes: Sequence[str]) -> str:
    return f"the classes {', '.join(classes)}"


CHECKS = (gives_a_score, unseen_classes)
