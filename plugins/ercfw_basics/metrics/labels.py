"""Metrics of several labels at once: each takes the labels ``[N, C]`` of 0 and 1, and their probabilities ``[N, C]``.

A label is predicted from a probability of 0.5. A score that would divide by zero is zero.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ercfw import metric

Labels = NDArray[np.int64]
Probabilities = NDArray[np.float32]


@metric("multilabel")
def label_f1(true: Labels, probabilities: Probabilities, names: Sequence[str]) -> NDArray[np.float64]:
    """Return the F1 score of each label, ``[C]``."""
    from sklearn.metrics import f1_score

    scores: NDArray[np.float64] = f1_score(true, probabilities >= 0.5, average=None, zero_division=0)  # [C]
    return scores if len(names) > 1 else np.array([f1_score(true[:, 0], probabilities[:, 0] >= 0.5, zero_division=0)])


@metric("multilabel")
def label_macro_f1(true: Labels, probabilities: Probabilities, names: Sequence[str]) -> float:
    """Return the mean F1 score of the labels that occur."""
    occur = true.any(0)
    return float(label_f1(true, probabilities, names)[occur].mean()) if occur.any() else 0.0


@metric("multilabel")
def label_micro_f1(true: Labels, probabilities: Probabilities, names: Sequence[str]) -> float:
    """Return the F1 score of all decisions about all labels together."""
    from sklearn.metrics import f1_score

    return float(f1_score(true.ravel(), (probabilities >= 0.5).ravel(), zero_division=0))


@metric("multilabel")
def exact_match(true: Labels, probabilities: Probabilities, names: Sequence[str]) -> float:
    """Return the share of utterances whose labels are all predicted correctly, and no other."""
    return float(((probabilities >= 0.5) == (true == 1)).all(1).mean())


@metric("multilabel")
def mean_average_precision(true: Labels, probabilities: Probabilities, names: Sequence[str]) -> float:
    """Return the mean, over the labels that occur, of the average precision: the area under precision and recall."""
    from sklearn.metrics import average_precision_score

    occur = np.flatnonzero(true.any(0))
    scores = [average_precision_score(true[:, place], probabilities[:, place]) for place in occur]
    return float(np.mean(scores)) if scores else 0.0
