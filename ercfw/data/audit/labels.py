"""Check the labels of a target: missing ones, empty classes, numbers out of range, published counts."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ercfw.contract.conversation import Conversation
from ercfw.contract.targets import Target, hard_labels, has_label
from ercfw.data.audit.finding import Finding


def check_labels(
    name: str, target: Target, split: str, conversations: Sequence[Conversation], published: Sequence[int] | None
) -> Iterator[Finding]:
    """Yield all findings about the labels of one target in one split.

    Args:
        name: the name of the target.
        target: what it is.
        split: the name of the split.
        conversations: its conversations.
        published: the published number of utterances of each class; None = it is not known.
    """
    labels = np.concatenate([c.labels[name] for c in conversations])
    about, known = f"{split}, {name}", has_label(labels)
    if not known.all():
        yield Finding("note", about, f"utterances without a label: {int((~known).sum())}")
    if target.kind == "regression":
        yield from _numbers(about, target, labels[known])
        return
    hard = hard_labels(target.kind, labels[known])
    what = "label" if target.kind == "multilabel" else "class"
    found = hard.sum(0) if target.kind == "multilabel" else np.bincount(hard, minlength=len(target.names))
    for each, count in zip(target.names, found, strict=True):
        if not count:
            yield Finding("doubtful", about, f"no utterance of {what} '{each}'")
    if published is not None:
        yield _compare(about, target.names, found, published)


def _numbers(about: str, target: Target, numbers: NDArray[Any]) -> Iterator[Finding]:
    """Find numbers out of range, and tell the range of the others."""
    for name, (low, high), column in zip(target.names, target.ranges, numbers.T, strict=True):
        outside = int(((column < low) | (column > high)).sum())
        if outside:
            yield Finding("doubtful", about, f"'{name}' is not between {low:g} and {high:g} in {outside} utterances")
        if len(column):
            spread = f"{column.min():g} to {column.max():g}, mean {column.mean():.3g}"
            yield Finding("fine", about, f"'{name}' of {len(column)} utterances: {spread}")


def _compare(about: str, names: Sequence[str], found: NDArray[Any], published: Sequence[int]) -> Finding:
    differing = [f"{n}: {a}, not {b}" for n, a, b in zip(names, found, published, strict=True) if a != b]
    if differing:
        return Finding("doubtful", about, f"class counts that differ from the published ones: {'; '.join(differing)}")
    return Finding("fine", about, f"{int(found.sum())} utterances, all class counts as published")
