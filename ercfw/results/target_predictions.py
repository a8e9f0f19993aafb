"""Predictions of one target: classes, numbers or labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ercfw.contract.conversation import UtteranceId
from ercfw.contract.targets import TargetKind, decided, hard_labels, has_label
from ercfw.results.comparison.confusion_counts import Array, count


@dataclass(frozen=True)
class TargetPredictions:
    """Predictions of one target.

    Attributes:
        ids: (conversation, utterance) of each utterance, unlabelled ones too.
        labels: ``[N]`` class numbers, ``[N, C]`` labels of 0 and 1, each -100 = unlabelled; or ``[N, C]`` numbers,
            NaN = unlabelled.
        predicted: the same of what was predicted.
        values: ``[N, C]``, the probabilities of classes or labels; or the predicted numbers.
        classes: C names.
        kind: what the target is.
        shares: ``[N, C]``, the shares of annotators that the labels come from, NaN = unlabelled; None = there are none.
    """

    ids: tuple[UtteranceId, ...]
    labels: NDArray[Any]
    predicted: NDArray[Any]
    values: Array
    classes: tuple[str, ...]
    kind: TargetKind = "classes"
    shares: Array | None = None

    @classmethod
    def of(
        cls,
        ids: tuple[UtteranceId, ...],
        labels: NDArray[Any],
        values: NDArray[Any],
        classes: tuple[str, ...],
        kind: TargetKind,
    ) -> "TargetPredictions":
        """Return the predictions that these values mean.

        Args:
            ids: the ids of the utterances.
            labels: their labels, as conversations hold them.
            values: ``[N, C]``.
            classes: C names.
            kind: what the target is.
        """
        hard = hard_labels(kind, labels)
        shares = None if hard is labels else labels.astype(np.float64)
        return cls(ids, hard, decided(kind, values), values.astype(np.float64), classes, kind, shares)

    @cached_property
    def labelled(self) -> NDArray[np.bool_]:
        """Return which utterances have a label, ``[N]``."""
        return has_label(self.labels)

    @property
    def true(self) -> NDArray[Any]:
        """Return the labels as conversations hold them: shares of annotators, if they come from such."""
        return self.labels if self.shares is None else self.shares

    @property
    def labelled_conversations(self) -> list[str]:
        """Return the conversation of each utterance that has a label."""
        return [conversation for (conversation, _), known in zip(self.ids, self.labelled, strict=True) if known]

    @cached_property
    def counts(self) -> Array:
        """Return the confusion counts of each conversation that has a label, ``[K, C, C]``; for classes only."""
        real = self.labelled
        return count(self.labelled_conversations, self.labels[real], self.predicted[real], len(self.classes))

    def is_of_same(self, other: "TargetPredictions") -> bool:
        """Return whether both cover the same utterances with the same labels, in the same order."""
        same = (self.ids, self.classes, self.kind) == (other.ids, other.classes, other.kind)
        return same and np.array_equal(self.labels, other.labels, equal_nan=self.labels.dtype.kind == "f")

    def take(self, rows: NDArray[np.int64]) -> "TargetPredictions":
        """Return these rows, in this order."""
        return TargetPredictions(
            tuple(self.ids[row] for row in rows),
            self.labels[rows],
            self.predicted[rows],
            self.values[rows],
            self.classes,
            self.kind,
            None if self.shares is None else self.shares[rows],
        )


def join_targets(parts: Sequence[TargetPredictions]) -> TargetPredictions:
    """Return the rows of all parts in one.

    Raises:
        ValueError: the parts have different classes, or an utterance is in two of them.
    """
    first = parts[0]
    ids = tuple(id for part in parts for id in part.ids)
    if len(set(ids)) < len(ids):
        raise ValueError("an utterance is in two tables")
    if len({(part.classes, part.kind) for part in parts}) > 1:
        raise ValueError("the tables have different classes")
    shares = [part.shares for part in parts if part.shares is not None]
    return TargetPredictions(
        ids,
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.predicted for part in parts]),
        np.concatenate([part.values for part in parts]),
        first.classes,
        first.kind,
        np.concatenate(shares) if len(shares) == len(parts) else None,
    )
