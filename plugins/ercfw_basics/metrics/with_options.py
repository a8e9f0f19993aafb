"""Metrics of classes that a recipe names with options, in a ``[metric.NAME]`` table."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ercfw import CORRELATION, InputError, did_you_mean, metric

Labels = NDArray[np.int64]
Probabilities = NDArray[np.float32]


@metric("classes")
class MicroF1:
    """F1 of all decisions together, over the classes that count (DailyDialog leaves out its class without emotion).

    Utterances of a class that is left out still count as wrong where another class is predicted.

    Options:
        leave_out: classes that do not count.
    """

    def __init__(self, *, leave_out: tuple[str, ...] = ()) -> None:
        self.leave_out = leave_out

    def __call__(self, true: Labels, probabilities: Probabilities, classes: Sequence[str]) -> float:
        """Return the score of ``true`` ``[N]`` and ``probabilities`` ``[N, C]``.

        Raises:
            InputError: there is no such class, or none is left.
        """
        from sklearn.metrics import f1_score

        for name in self.leave_out:
            if name not in classes:
                raise InputError.at("leave_out", f"there is no class '{name}'", did_you_mean(name, classes))
        counted = [number for number, name in enumerate(classes) if name not in self.leave_out]
        if not counted:
            raise InputError.at("leave_out", "leaves out every class", "keep at least one")
        predicted = probabilities.argmax(-1)
        return float(f1_score(true, predicted, labels=counted, average="micro", zero_division=0))


@metric("classes", scale=CORRELATION)
class Kappa:
    """Cohen's kappa (1960): the agreement beyond chance of labels and predictions; 0 if chance explains all of it.

    Options:
        weights: ``none``; ``linear`` or ``quadratic``, so that a class farther away in the order of the classes is a
            larger mistake (Cohen, 1968).
    """

    def __init__(self, *, weights: Literal["none", "linear", "quadratic"] = "none") -> None:
        self.weights = None if weights == "none" else weights

    def __call__(self, true: Labels, probabilities: Probabilities, classes: Sequence[str]) -> float:
        """Return the score of ``true`` ``[N]`` and ``probabilities`` ``[N, C]``."""
        from sklearn.metrics import cohen_kappa_score

        predicted = probabilities.argmax(-1)
        if len(np.unique(np.concatenate([true, predicted]))) == 1:
            return 0.0  # one class alone: 0 / 0
        return float(cohen_kappa_score(true, predicted, labels=range(len(classes)), weights=self.weights))
