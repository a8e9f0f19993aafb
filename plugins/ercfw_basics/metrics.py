"""Scores, by scikit-learn.

The labels are always all classes of the target, so one that is absent shifts nothing; a score that would
divide by zero is zero.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import accuracy_score, f1_score, recall_score

Labels = NDArray[np.int64]
Probabilities = NDArray[np.float32]


def f1(true: Labels, probabilities: Probabilities, classes: Sequence[str]) -> NDArray[np.float64]:
    """F1 of each class, ``[C]``."""
    scores: NDArray[np.float64] = f1_score(
        true, probabilities.argmax(-1), labels=range(len(classes)), average=None, zero_division=0
    )  # [C]
    return scores


def macro_f1(true: Labels, probabilities: Probabilities, classes: Sequence[str]) -> float:
    """The mean F1 of the classes that are true or predicted somewhere."""
    return float(f1_score(true, probabilities.argmax(-1), average="macro", zero_division=0))


def weighted_f1(true: Labels, probabilities: Probabilities, classes: Sequence[str]) -> float:
    """The mean of the classes' F1, weighted by how often each is true: the field's main score."""
    return float(
        f1_score(true, probabilities.argmax(-1), labels=range(len(classes)), average="weighted", zero_division=0)
    )


def accuracy(true: Labels, probabilities: Probabilities, classes: Sequence[str]) -> float:
    """The share of utterances named rightly."""
    return float(accuracy_score(true, probabilities.argmax(-1)))


def unweighted_accuracy(true: Labels, probabilities: Probabilities, classes: Sequence[str]) -> float:
    """The mean recall of the classes that occur."""
    return float(recall_score(true, probabilities.argmax(-1), labels=np.unique(true), average="macro"))
