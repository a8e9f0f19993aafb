"""Kinds of targets: one class per utterance, numbers, or several labels at once.

Labels have one row per utterance. ``classes`` has ``[U]`` int64 class numbers, and -100 where there is no label. All
other forms have float32 rows, which are NaN where there is no label:

- ``regression``: ``[U, C]``, one column per number, such as valence and arousal.
- ``multilabel``: ``[U, C]`` of 0 and 1, one column per label.
- soft ``classes``: ``[U, C]``, a distribution over the classes, such as the share of annotators who chose each.
- soft ``multilabel``: ``[U, C]``, the share of annotators who gave each label.
"""

from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from ercfw.contract.conversation import UNLABELLED

TargetKind = Literal["classes", "regression", "multilabel"]
TargetForm = Literal["classes", "regression", "multilabel", "soft-classes", "soft-multilabel"]
"""The form of the labels: a kind, and whether the labels are shares of annotators."""
FORMS: tuple[TargetForm, ...] = get_args(TargetForm)
Ranges = tuple[tuple[float, float], ...]
HALF = 0.5
"""A label of a multilabel target is predicted, or true of a share of annotators, from this value."""


@dataclass(frozen=True)
class Target:
    """What a dataset says of one of its targets.

    Attributes:
        names: the names of its C classes, numbers or labels. A single number is named like its target.
        kind: what it is.
        ranges: for numbers, the lowest and highest value of each; empty otherwise.
        soft: whether the labels are shares of annotators.
    """

    names: tuple[str, ...]
    kind: TargetKind = "classes"
    ranges: Ranges = ()
    soft: bool = False

    @property
    def form(self) -> TargetForm:
        """Return the form of its labels."""
        return form_of(self.kind, self.soft)


def as_target(declared: "Target | tuple[str, ...]") -> Target:
    """Return a target; a tuple of names declares classes."""
    return declared if isinstance(declared, Target) else Target(tuple(declared))


def form_of(kind: TargetKind, soft: bool) -> TargetForm:
    """Return the form of the labels of a kind of target."""
    if not soft:
        return kind
    return "soft-multilabel" if kind == "multilabel" else "soft-classes"


def has_label(labels: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which utterances have a label: ``[N] or [N, C] -> [N]``."""
    known: NDArray[np.bool_] = labels != UNLABELLED if labels.dtype.kind in "iu" else ~np.isnan(labels)
    return known if known.ndim == 1 else np.asarray(known.all(-1))


def decided(kind: TargetKind, values: NDArray[Any]) -> NDArray[Any]:
    """Return the predictions that the values of a target mean.

    Args:
        kind: the kind of the target.
        values: ``[N, C]``, as ``values_of`` returns them.

    Returns:
        The most probable class ``[N]`` int64, the labels ``[N, C]`` of 0 and 1, or the numbers ``[N, C]``.
    """
    if kind == "regression":
        return values
    return (values >= HALF).astype(np.int64) if kind == "multilabel" else values.argmax(-1)


def hard_labels(kind: TargetKind, labels: NDArray[Any]) -> NDArray[Any]:
    """Return labels without shares of annotators: the first class that most chose, and labels that half of them gave.

    Rows without a label are -100. Labels that are not shares stay as they are.
    """
    if labels.dtype.kind in "iu" or kind == "regression":
        return labels
    known = has_label(labels)
    if kind == "multilabel":
        return np.where(known[:, None], labels >= HALF, UNLABELLED).astype(np.int64)  # [N, C]
    return np.where(known, np.where(known[:, None], labels, 0).argmax(-1), UNLABELLED).astype(np.int64)  # [N]
