"""Classification metrics, computed by scikit-learn.

Each metric takes the labels ``true`` ``[N]`` and the probabilities ``[N, C]``. The prediction is the most probable
class. Per-class and weighted F1 always cover all classes of the target, so a class without utterances shifts nothing.
The unweighted means cover the classes that have labels among the utterances. The predictions do not change this set, so
scores of different models are means over the same classes. A score that would divide by zero is zero.

scikit-learn is imported on first use, because its import takes longer than the rest of the start-up.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.int64]
Probabilities = NDArray[np.float32]


def f1(true: Labels, probabilities: Probabilities, classes: Sequence[str]) -> NDArray[np.float64]:
    """Return the F1 score of each class, ``[C]``."""
    from sklearn.metrics import f1_score

    scores: NDArray[np.float64] = f1_score(
        true, probabilities.argmax(-1), labels=range(len(classes)), average=None, zero_division=0
    )  # [C]
    return scores


def macro_f1(true: Labels, probabilities: Probabilities, classes: Sequence[str]) -> float:
    """Return the mean F1 score of the classes that occur among the labels."""
    from sklearn.metrics import f1_score

    return float(f1_score(true, probabilities.argmax(-1), labels=np.unique(true), average="macro", zero_division=0))


def weighted_f1(true: Labels, probabilities: Probabilities, classes: Sequence[str]) -> float:
    """Return the mean F1 score of the classes, weighted by their number of labels: the main score of the field."""
    from sklearn.metrics import f1_score

    return float(
        f1_score(true, probabilities.argmax(-1), labels=range(len(classes)), average="weighted", zero_division=0)
    )


def accuracy(true: Labels, probabilities: Probabilities, classes: Sequence[str]) -> float:
    """Return the share of utterances that are classified correctly."""
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(true, probabilities.argmax(-1)))


def unweighted_accuracy(true: Labels, probabilities: Probabilities, classes: Sequence[str]) -> float:
    """Return the mean recall of the classes that occur among the labels."""
    from sklearn.metrics import recall_score

    return float(recall_score(true, probabilities.argmax(-1), labels=np.unique(true), average="macro"))
