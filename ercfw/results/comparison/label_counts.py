"""Counts of decisions about labels per conversation, and scores computed from them for resampling.

Counts of each label: true positives, false positives, false negatives, utterances, and utterances of which all labels
are predicted correctly (the same number for each label).
"""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ercfw.results.comparison.confusion_counts import Array, Score, sum_by_conversation

HITS, EXTRA, MISSED, COUNT, EXACT = range(5)


def count_labels(conversations: Sequence[str], true: NDArray[np.int64], predicted: NDArray[np.int64]) -> Array:
    """Count decisions per conversation: ``[N], [N, C], [N, C] -> [K, C, 5]``; conversations in order of appearance."""
    exact = (true == predicted).all(-1, keepdims=True)  # [N, 1]
    counts = (true & predicted, ~true & predicted & 1, true & ~predicted & 1, np.ones_like(true), exact | (true < 0))
    return sum_by_conversation(conversations, np.stack(np.broadcast_arrays(*counts), -1).astype(np.float64))


def label_f1(counts: Array) -> Array:
    """Compute the F1 of each label, 0 if it is neither true nor predicted: ``[..., C, 5] -> [..., C]``."""
    return _f1(counts)


def micro_f1(counts: Array) -> Array:
    """Compute the F1 of all decisions together: ``[..., C, 5] -> [...]``."""
    return _f1(counts.sum(-2))


def macro_f1(counts: Array) -> Array:
    """Compute the mean F1 of the labels that occur: ``[..., C, 5] -> [...]``."""
    occur = counts[..., HITS] + counts[..., MISSED] > 0  # [..., C]
    score: Array = (label_f1(counts) * occur).sum(-1) / np.maximum(occur.sum(-1), 1)
    return score


def exact_match(counts: Array) -> Array:
    """Compute the share of utterances whose labels are all predicted correctly: ``[..., C, 5] -> [...]``."""
    score: Array = counts[..., 0, EXACT] / np.maximum(counts[..., 0, COUNT], 1)
    return score


def _f1(counts: Array) -> Array:
    hits, named = 2 * counts[..., HITS], 2 * counts[..., HITS] + counts[..., EXTRA] + counts[..., MISSED]
    score: Array = hits / np.maximum(named, 1)
    return score


WHOLE: Mapping[str, Score] = {
    "label-macro-f1": macro_f1,
    "label-micro-f1": micro_f1,
    "exact-match": exact_match,
}
"""Metrics that are one number, by the names that reports give them."""


def of_label(number: int) -> Score:
    """Return a score that is the F1 of one label."""
    return lambda counts: label_f1(counts)[..., number]
