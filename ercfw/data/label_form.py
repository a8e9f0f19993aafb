"""Check that a dataset's labels have the form that its targets declare."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ercfw.contract.conversation import UNLABELLED, Conversation
from ercfw.contract.targets import Target, as_target, has_label
from ercfw.errors import InputError

RESERVED = frozenset({"p", "share", "predicted"})
"""Names of no label or number: they mean something else in the columns of ``predictions.csv``."""
SUM_TOLERANCE = 1e-3
"""Shares of annotators that were rounded add up to 1 within this."""


def declared_targets(targets: Mapping[str, Target | tuple[str, ...]]) -> dict[str, Target]:
    """Return what each target of a dataset is.

    Raises:
        InputError: a declaration contradicts itself.
    """
    found = {name: as_target(declared) for name, declared in targets.items()}
    for name, target in found.items():
        where = f"the dataset's target '{name}'"
        if not target.names or len(set(target.names)) < len(target.names):
            raise InputError.at(where, f"has the names {list(target.names)}", "at least one, and each once")
        reserved = RESERVED.intersection(target.names) if target.kind != "classes" else ()
        for word in sorted(reserved):
            raise InputError.at(where, f"has the name '{word}', which columns of predictions need", "choose another")
        if target.kind == "regression":
            if len(target.ranges) != len(target.names) or any(not low < high for low, high in target.ranges):
                what = f"has the ranges {list(target.ranges)} for the numbers {', '.join(target.names)}"
                raise InputError.at(where, what, "the lowest and highest value of each number")
            if len(target.names) == 1 and target.names[0] != name:
                raise InputError.at(where, f"has one number, named '{target.names[0]}'", f"name it '{name}'")
        elif target.ranges:
            raise InputError.at(where, f"has ranges, but is of kind {target.kind}", "only numbers have ranges")
    return found


def check_label_form(conversations: Sequence[Conversation], targets: Mapping[str, Target]) -> None:
    """Check the labels of conversations.

    Raises:
        InputError: labels lack a target, or do not have its form; the message names the first conversation.
    """
    for conversation in conversations:
        where = f"conversation {conversation.id}"
        if set(conversation.labels) != set(targets):
            what = f"has labels of {sorted(conversation.labels)}, but the targets are {sorted(targets)}"
            raise InputError.at(where, what, "the dataset must give labels of every target")
        for name, target in targets.items():
            wrong = wrong_form(target, conversation.labels[name], len(conversation))
            if wrong is None:
                wrong = _wrong_agreement(conversation.agreement.get(name), len(conversation))
            if wrong is not None:
                raise InputError.at(where, f"labels of '{name}' {wrong[0]}", wrong[1])


def _wrong_agreement(shares: NDArray[Any] | None, utterances: int) -> tuple[str, str] | None:
    """Return what is wrong with the shares of annotators who agreed, ``[U]``, and what would be right."""
    if shares is None:
        return None
    if shares.dtype != np.float32 or shares.shape != (utterances,):
        what = f"have an agreement that is {shares.dtype} {list(shares.shape)}"
        return what, f"float32 [U] = [{utterances}]"
    if not ((shares > 0) & (shares <= 1)).all():
        return "have an agreement that is not above 0 and at most 1", "the share of annotators who agreed"
    return None


def wrong_form(target: Target, labels: NDArray[Any], utterances: int) -> tuple[str, str] | None:
    """Return what is wrong with the labels ``[U]`` or ``[U, C]`` of one conversation, and what would be right."""
    is_class = target.form == "classes"
    shape = (utterances,) if is_class else (utterances, len(target.names))
    dtype = np.dtype(np.int64 if is_class else np.float32)
    if not isinstance(labels, np.ndarray) or labels.dtype != dtype or labels.shape != shape:
        is_array = isinstance(labels, np.ndarray)
        found = f"{labels.dtype} {list(labels.shape)}" if is_array else type(labels).__name__
        letters = "[U] class numbers" if is_class else "[U, C]"
        return f"are {found}", f"{dtype} {letters} = {list(shape)}, for {target.form}"
    known = labels[has_label(labels)]
    if is_class:
        if ((known < 0) | (known >= len(target.names))).any():
            what = f"have a number that is none of {len(target.names)} classes"
            return what, f"0 to {len(target.names) - 1}, or {UNLABELLED}"
        return None
    if np.isnan(labels).any(1).sum() > np.isnan(labels).all(1).sum():
        return "are NaN in a part of an utterance", "an utterance has all of its numbers or none"
    return _wrong_values(target, known)


def _wrong_values(target: Target, known: NDArray[Any]) -> tuple[str, str] | None:
    """Return what is wrong with the labels ``[N, C]`` of labelled utterances."""
    if not np.isfinite(known).all():
        return "are not finite", "finite numbers, or NaN without a label"
    ranges = np.array(target.ranges or [(0.0, 1.0)] * len(target.names))  # [C, 2]
    outside = (known < ranges[:, 0]) | (known > ranges[:, 1])
    if outside.any():
        place = int(np.flatnonzero(outside.any(0))[0])
        low, high = ranges[place]
        value = known[outside[:, place], place][0]
        return f"have {value:g} for '{target.names[place]}'", f"numbers from {low:g} to {high:g}"
    if target.form == "multilabel" and not np.isin(known, (0, 1)).all():
        return "have a number other than 0 and 1", "0 or 1; shares of annotators need soft = True"
    if target.form == "soft-classes" and (np.abs(known.sum(1) - 1) > SUM_TOLERANCE).any():
        return "have shares that do not add up to 1", "a distribution over the classes"
    return None
