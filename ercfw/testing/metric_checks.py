"""The checks of every metric.

Each takes a ``DataSubject``, whose factory is the metric, and raises ``CheckFailed`` if it breaks the promise.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ercfw.errors import cause_of
from ercfw.registry.wiring import positional
from ercfw.results.scoring import scored_rows
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
SIZES = (9, 1, 14, 3, 13)
"""Numbers of utterances of the conversations that a metric of the order gets."""


def made_answers(classes: int = len(CLASSES), rows: int = 40) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Make labels ``[N]`` and probabilities ``[N, C]`` that are right more often than not."""
    draw = np.random.default_rng(0)
    true = draw.integers(classes, size=rows)
    scores = draw.random((rows, classes)) + np.eye(classes)[true] * 0.7
    return true, (scores / scores.sum(1, keepdims=True)).astype(np.float32)


def gives_a_score(subject: DataSubject) -> None:
    """Check that a metric returns a finite float, or one per class.

    The order of utterances must not matter, or that of conversations for a metric that reads the order of utterances;
    and the inputs must stay unchanged.
    """
    for classes in _served(subject.factory):
        true, probabilities = made_answers(len(classes))
        before = true.copy(), probabilities.copy()
        score = np.asarray(_score(subject.factory, true, probabilities, classes))
        if score.shape not in ((), (len(classes),)) or not np.isfinite(score).all():
            what = f"shape {list(score.shape)}, or NaN, for {_named(classes)}"
            raise CheckFailed(f"it returns {what} (it should return a finite float, or [C])")
        if not (np.array_equal(true, before[0]) and np.array_equal(probabilities, before[1])):
            raise CheckFailed("it changes its inputs in place")
        conversation = np.repeat(np.arange(len(SIZES)), SIZES)  # [N]
        if reads_order := len(positional(subject.factory)) > 3:
            order = np.argsort(-conversation, kind="stable")  # [N]
        else:
            order = np.random.default_rng(1).permutation(len(true))  # [N]
        if not np.allclose(score, _score(subject.factory, true, probabilities, classes, order)):
            what = "conversations" if reads_order else "utterances"
            raise CheckFailed(f"the order of the {what} changes the score")


def unseen_classes(subject: DataSubject) -> None:
    """Check that the score is finite where a class has no utterance."""
    for classes in _served(subject.factory):
        true, probabilities = made_answers(len(classes))
        seen = true % (len(classes) // 2)
        if not np.isfinite(np.asarray(_score(subject.factory, seen, probabilities, classes))).all():
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
            _score(metric, *made_answers(len(classes)), classes)
        except Exception as error:  # the metric's own code may raise anything
            failures.append(f"{_named(classes)}: {cause_of(error)}")
        else:
            served.append(classes)
    if not served:
        raise CheckFailed(f"it fails for {failures[0]}; and for other classes, such as {failures[1]}")
    return served


def _score(
    metric: Callable[..., Any],
    true: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    classes: Sequence[str],
    order: NDArray[np.int64] | slice = slice(None),
) -> Any:
    """Return the score of made-up answers, with the rows ``[N]`` in another order if one is given.

    A metric with a fourth parameter gets the order of the rows, in which the utterances of a conversation must stay
    together.
    """
    given = true[order], probabilities[order], classes
    if len(positional(metric)) <= 3:
        return metric(*given)
    conversation = np.repeat(np.arange(len(SIZES)), SIZES)[order]  # [N]
    speaker = (np.arange(len(true)) % 2)[order]  # [N]
    return metric(*given, scored_rows(conversation.tolist(), speaker, np.ones(len(true), bool)))


def _named(classes: Sequence[str]) -> str:
    return f"the classes {', '.join(classes)}"


CHECKS = (gives_a_score, unseen_classes)
