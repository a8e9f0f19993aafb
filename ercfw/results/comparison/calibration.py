"""Calibration: whether the confidence of a model matches its accuracy."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ercfw.contract.targets import TargetKind
from ercfw.results.comparison.confusion_counts import Array

BINS = 15


@dataclass(frozen=True)
class Calibration:
    """Utterances grouped by the probability of the predicted class (or labels by theirs), in ``BINS`` bins.

    Attributes:
        counts: ``[BINS]`` numbers of utterances or labels.
        confidence: ``[BINS]`` mean probabilities; 0 in an empty bin.
        accuracy: ``[BINS]`` shares of correct predictions, or of true labels; 0 in an empty bin.
    """

    counts: NDArray[np.int64]
    confidence: Array
    accuracy: Array

    @property
    def ece(self) -> float:
        """Return the expected calibration error (Guo et al., 2017): mean gap of the two, weighted by utterances."""
        gaps = np.abs(self.confidence - self.accuracy)
        return float((self.counts * gaps).sum() / max(1, self.counts.sum()))


def calibrate(kind: TargetKind, true: NDArray[np.int64], probabilities: Array) -> Calibration:
    """Compute the calibration of probabilities; a bin includes its upper edge.

    Args:
        kind: ``classes``: how often the most probable class is right; ``multilabel``: how often a label is true.
        true: ``[N]`` classes, or ``[N, C]`` labels of 0 and 1.
        probabilities: ``[N, C]``.
    """
    if kind == "multilabel":
        sure, right = probabilities.ravel(), true.ravel() == 1  # [N * C]
    else:
        sure, right = probabilities.max(1), probabilities.argmax(1) == true  # [N]
    place = np.clip(np.ceil(sure * BINS).astype(np.int64) - 1, 0, BINS - 1)  # [N]
    counts = np.bincount(place, minlength=BINS)
    divisor = np.maximum(counts, 1)
    return Calibration(
        counts,
        np.bincount(place, weights=sure, minlength=BINS) / divisor,
        np.bincount(place, weights=right, minlength=BINS) / divisor,
    )
