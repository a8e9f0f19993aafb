"""Made-up labels of utterances and answers to them, as metrics get them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ercfw.contract.metric import ScoredRows
from ercfw.contract.targets import Target
from ercfw.testing.made_targets import CLASSES, in_form

SIZES = (5, 9, 1, 3, 12, 10)
"""Numbers of labelled utterances of the conversations."""
SAME = 1
"""The class of every utterance, where all have the same label; one label of several is in none of them then."""


@dataclass(frozen=True)
class Answers:
    """Labels of utterances, and what a model answers.

    Attributes:
        target: what is asked.
        true: ``[N]`` or ``[N, C]``, as metrics get them.
        values: ``[N, C]`` float32 probabilities or numbers.
        rows: the order of the utterances.
    """

    target: Target
    true: NDArray[Any]
    values: NDArray[np.float32]
    rows: ScoredRows

    @property
    def named(self) -> str:
        """Return the words for the target in messages."""
        what = {"classes": "classes", "regression": "numbers", "multilabel": "labels"}[self.target.kind]
        return f"the {what} {', '.join(self.target.names)}"

    def copy(self) -> "Answers":
        """Return the same in memory of its own."""
        return self.taken(np.arange(len(self.true)), self.rows)

    def taken(self, order: NDArray[np.int64], rows: ScoredRows) -> "Answers":
        """Return the rows in another order."""
        return Answers(self.target, self.true[order].copy(), self.values[order].copy(), _map(rows, np.copy))

    def shuffled(self) -> "Answers":
        """Return the utterances in any order, without regard to the conversations."""
        order = np.random.default_rng(1).permutation(len(self.true))
        return self.taken(order, self.rows)

    def last_first(self) -> "Answers":
        """Return the last conversation first; its utterances stay in their order."""
        order = np.argsort(-self.rows.conversation, kind="stable")
        moved = _map(self.rows, lambda x: x[order])
        return self.taken(order, replace(moved, conversation=moved.conversation.max() - moved.conversation))

    def apart(self) -> "Answers":
        """Return each utterance as a conversation of its own."""
        zeros = np.zeros(len(self.true), np.int64)
        return replace(self, rows=ScoredRows(np.arange(len(self.true)), zeros, zeros.copy()))

    def perfect(self) -> "Answers":
        """Return the answers that could not be better."""
        certain = np.eye(len(self.target.names))[self.true] if self.target.form == "classes" else self.true
        return replace(self, values=certain.astype(np.float32))

    def opposite(self) -> "Answers":
        """Return answers as far from the labels as the perfect ones are near."""
        values = self.perfect().values.astype(np.float64)
        if self.target.kind == "classes":
            values = (1 - values) / (values.shape[1] - 1)
        else:
            low, high = np.array(self.target.ranges or ((0.0, 1.0),) * values.shape[1]).T  # [C]
            values = low + high - values
        return replace(self, values=values.astype(np.float32))

    def all_the_same(self) -> "Answers":
        """Return the same label for every utterance."""
        return replace(self, true=in_form(self.target, np.full(len(self.true), SAME)).astype(self.true.dtype))

    def undecided(self) -> "Answers":
        """Return the same answer for every utterance."""
        return replace(self, values=np.repeat(self.values[:1], len(self.values), 0))


def made_answers(target: Target) -> Answers:
    """Make labels and answers that are right more often than not."""
    draw, names = np.random.default_rng(0), len(target.names)
    size = sum(SIZES)
    classes = draw.integers(names if target.form == "classes" else len(CLASSES), size=size)
    true = in_form(target, classes)
    noise = draw.random((size, names))
    if target.kind == "classes":
        scores = noise + (np.eye(names)[classes] if target.form == "classes" else true) * 0.7
        values = scores / scores.sum(1, keepdims=True)
    else:
        low, high = np.array(target.ranges or ((0.0, 1.0),) * names).T  # [C]
        values = 0.6 * true + 0.4 * (low + (high - low) * noise)
    return Answers(target, true, values.astype(np.float32), _made_rows())


def _made_rows() -> ScoredRows:
    """Return the order of conversations of three speakers; after each third utterance, one has no label."""
    position = np.concatenate([np.arange(size) + np.arange(size) // 3 for size in SIZES])
    speaker = np.concatenate([np.arange(size) * np.arange(size) % 3 for size in SIZES])
    return ScoredRows(np.repeat(np.arange(len(SIZES)), SIZES), position, speaker)


def _map(rows: ScoredRows, fn: Callable[[NDArray[np.int64]], NDArray[np.int64]]) -> ScoredRows:
    return ScoredRows(fn(rows.conversation), fn(rows.position), fn(rows.speaker))
