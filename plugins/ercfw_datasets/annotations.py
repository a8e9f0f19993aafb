"""The annotations of a corpus: from a list of utterances to conversations."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from ercfw import (
    UNLABELLED,
    Conversation,
    InputError,
    Provenance,
    TableRow,
    Target,
    Utterance,
    UtteranceId,
    did_you_mean,
    to_conversations,
)

TARGET = "emotion"
RENAME = "; rename it with [data] labels, or leave its utterances out there"


Targets = Mapping[str, tuple[str, ...] | Target]


@dataclass(frozen=True)
class Annotations:
    """A corpus without its streams.

    Attributes:
        conversations: of all splits, in the order of the source.
        targets: what each target is.
        rows: every utterance of the source, including those that are left out of the conversations.
        source_train: the utterances that the makers of the corpus call train.
        provenance: where the corpus came from.
        broken: utterances whose clips are known to be broken.
    """

    conversations: tuple[Conversation, ...]
    targets: Targets
    rows: tuple[UtteranceId, ...]
    source_train: frozenset[UtteranceId]
    provenance: Provenance
    broken: frozenset[UtteranceId] = frozenset()


@dataclass(frozen=True, slots=True)
class Record(Utterance):
    """One annotated utterance.

    Attributes:
        label: a class; empty = unlabelled, None = the utterance is left out of its conversation.
        kind: the kind of its conversation, if the corpus distinguishes kinds.
        sentiment: the class of a second target; empty = unlabelled.
        affect: the numbers of a second target; empty = unlabelled.
    """

    label: str | None = ""
    kind: str = ""
    sentiment: str = ""
    affect: tuple[float, ...] = ()


def to_annotated(
    records: Sequence[Record], splits: Mapping[str, str], classes: Sequence[str], how_to_declare: str = RENAME
) -> tuple[Conversation, ...]:
    """Return the conversations with the records' labels as classes of ``TARGET``.

    They come in order of first appearance, their utterances in the order of the records.

    Args:
        records: the utterances.
        splits: the split of each conversation.
        classes: the class names of ``TARGET``.
        how_to_declare: continues the hint for a label that is not one of the classes.

    Raises:
        InputError: if an utterance occurs twice, or a label is not one of the classes.
    """
    conversations = to_unlabelled(records, splits)
    labels = class_labels(records, [record.label for record in records], classes, how_to_declare)
    return with_labels(conversations, TARGET, labels)


def to_unlabelled(records: Sequence[Record], splits: Mapping[str, str]) -> tuple[Conversation, ...]:
    """Return the conversations without labels.

    Raises:
        InputError: if an utterance occurs twice.
    """
    left_out = frozenset(record.id for record in records if record.label is None)
    kinds: dict[str, str] = {}
    for record in records:
        if record.label is not None:
            kinds.setdefault(record.id[0], record.kind)
    return tuple(replace(c, kind=kinds[c.id]) for c in to_conversations(records, splits, left_out))


def class_labels(
    records: Sequence[Record | TableRow],
    labels: Sequence[str | None],
    classes: Sequence[str],
    how_to_declare: str = RENAME,
) -> dict[UtteranceId, int]:
    """Return the class number of each utterance that is not left out.

    Args:
        records: the utterances.
        labels: the class of each; empty = unlabelled, None = left out.
        classes: the class names.
        how_to_declare: continues the hint for a label that is not one of the classes.

    Raises:
        InputError: if a label is not one of the classes.
    """
    _check_labels(records, labels, classes, how_to_declare)
    number = {name: place for place, name in enumerate(classes)} | {"": UNLABELLED}
    return {record.id: number[label] for record, label in zip(records, labels, strict=True) if label is not None}


def choose_targets(annotations: Annotations, names: Sequence[str]) -> Annotations:
    """Return the annotations with these targets only, in this order."""
    conversations = tuple(
        replace(c, labels={name: c.labels[name] for name in names}) for c in annotations.conversations
    )
    return replace(
        annotations, conversations=conversations, targets={name: annotations.targets[name] for name in names}
    )


def with_labels(
    conversations: Iterable[Conversation], target: str, labels: Mapping[UtteranceId, int | NDArray[np.float32]]
) -> tuple[Conversation, ...]:
    """Return the conversations with the labels of a target: class numbers, or rows ``[C]``."""
    return tuple(replace(c, labels={**c.labels, target: _stacked([labels[id] for id in c.ids])}) for c in conversations)


def with_agreement(
    conversations: Iterable[Conversation], target: str, shares: Mapping[UtteranceId, float]
) -> tuple[Conversation, ...]:
    """Return the conversations with the share of annotators who agreed with each label of a target."""
    return tuple(
        replace(c, agreement={**c.agreement, target: np.array([shares[id] for id in c.ids], np.float32)})
        for c in conversations
    )


def _stacked(labels: Sequence[int | NDArray[np.float32]]) -> NDArray[np.int64] | NDArray[np.float32]:
    return np.array(labels, np.int64) if isinstance(labels[0], int) else np.array(labels, np.float32)


def _check_labels(
    records: Sequence[Record | TableRow], labels: Sequence[str | None], classes: Sequence[str], how_to_declare: str
) -> None:
    first: dict[str, str] = {}
    for record, label in zip(records, labels, strict=True):
        if label and label not in classes:
            first.setdefault(label, record.where)
    if first:
        names = ", ".join(f"'{label}'" for label in first)
        label, where = next(iter(first.items()))
        raise InputError.at(
            where, f"not a class of this corpus: {names}", did_you_mean(label, classes) + how_to_declare
        )
