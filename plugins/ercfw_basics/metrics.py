"""Scores, by scikit-learn.

The labels are always all classes of the target, so one that is absent shifts nothing; a score that would
divide by zero is zero. The library is imported when it is used: it takes longer than all the rest to start.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]
Probabilities = NDArray[np.float32]


def f1(true: Labels, probabilities: Probabilities, classes: Sequence[str]) -> NDArray[np.float64]:
    """F1 of each class, ``[C]``."""
    from sklearn.metrics import f1_score

    scores: NDArray[np.float64] = f1_score(
        true, probabilities.argmax(-1), labels=range(len(classes)), average=None, zero_division=0
    )  # [C]
    return scores


def macro_f1(true: Labels, probabilities: Probabilities, classes: Sequence[str]) -> float:
    """The mean F1 of the classes that are true or predicted somewhere."""
    from sklearn.metrics import f1_score

    return float(f1_score(true, probabilities.argmax(-1), average="macro", zero_division=0))


def weighted_f1(true: Labels, probabilities: Probabilities, classes: Sequence[str]) -> float:
    """The mean of the classes' F1, weighted by how often each is true: the field's main score."""
    from sklearn.metrics import f1_score

    return float(
        f1_score(true, probabilities.argmax(-1), labels=range(len(classes)), average="weighted", zero_division=0)
    )


def accuracy(true: Labels, probabilities: Probabilities, classes: Sequence[str]) -> float:
    """The share of utterances named rightly."""
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(true, probabilities.argmax(-1)))


def unweighted_accuracy(true: Labels, probabilities: Probabilities, classes: Sequence[str]) -> float:
    """The mean recall of the classes that occur."""
    from sklearn.metrics import recall_score

    return float(recall_score(true, probabilities.argmax(-1), labels=np.unique(true), average="macro"))
