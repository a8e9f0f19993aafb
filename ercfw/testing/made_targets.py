"""Made-up targets of each form, and the labels that stand for the four made-up classes in it."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ercfw.contract.conversation import UNLABELLED
from ercfw.contract.targets import Target, TargetForm

CLASSES = ("neutral", "joy", "anger", "fear")
_LABELS = ("pleasant", "unpleasant", "aroused")
TARGETS: Mapping[TargetForm, Target] = {
    "classes": Target(CLASSES),
    "regression": Target(("valence", "arousal"), "regression", ((-3.0, 3.0), (0.0, 1.0))),
    "multilabel": Target(_LABELS, "multilabel"),
    "soft-classes": Target(CLASSES, soft=True),
    "soft-multilabel": Target(_LABELS, "multilabel", soft=True),
}
"""The target that stands for each form; the labels of all are functions of the four classes."""
ROWS: Mapping[TargetForm, Sequence[Sequence[float]]] = {
    "regression": ((0.5, 0.2), (1.0, 0.9), (0.0, 0.6), (0.7, 0.0)),
    "multilabel": ((1, 0, 0), (0, 1, 1), (0, 0, 0), (1, 1, 0)),
    "soft-classes": ((0.6, 0.2, 0.2, 0), (0, 1, 0, 0), (0.25, 0.25, 0.5, 0), (0, 0.4, 0, 0.6)),
    "soft-multilabel": ((0.8, 0.2, 0), (0, 0.6, 1), (0.2, 0.4, 0.1), (1, 0.7, 0.4)),
}
"""The label of each class; numbers as shares of their range, from its lowest value to its highest."""


def one_number(name: str, low: float, high: float) -> Target:
    """Return a target of one number."""
    return Target((name,), "regression", ((low, high),))


def in_form(target: Target, classes: NDArray[Any]) -> NDArray[Any]:
    """Return the labels that stand for the made-up classes.

    Args:
        target: of classes, or with at most as many names as the target of its form in ``TARGETS``.
        classes: ``[N]`` numbers of classes, -100 = no label.

    Returns:
        ``[N]`` int64 for classes, as they are; otherwise ``[N, C]`` float32, NaN where there is no label.
    """
    if target.form == "classes":
        return classes
    labels = np.array(ROWS[target.form])[np.maximum(classes, 0), : len(target.names)]  # [N, C]
    if target.kind == "regression":
        low, high = np.array(target.ranges).T  # [C]
        labels = low + (high - low) * labels
    return np.where(classes[:, None] == UNLABELLED, np.nan, labels).astype(np.float32)
