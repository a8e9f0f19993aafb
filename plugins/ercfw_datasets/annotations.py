"""The annotations of a corpus: from a list of utterances to conversations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from ercfw import (
    UNLABELLED,
    Conversation,
    InputError,
    Provenance,
    Utterance,
    UtteranceId,
    did_you_mean,
    to_conversations,
)

TARGET = "emotion"
RENAME = "; rename it with [data] labels, or leave its utterances out there"


@dataclass(frozen=True)
class Annotations:
    """A corpus without its streams.

    Attributes:
        conversations: of all splits, in the order of the source.
        classes: C class names of ``TARGET``.
        rows: every utterance of the source, including those that are left out of the conversations.
        source_train: the utterances that the makers of the corpus call train.
        provenance: where the corpus came from.
        broken: utterances whose clips are known to be broken.
    """

    conversations: tuple[Conversation, ...]
    classes: tuple[str, ...]
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
    """

    label: str | None = ""
    kind: str = ""


def to_annotated(
    records: Sequence[Record], splits: Mapping[str, str], classes: Sequence[str], how_to_declare: str = RENAME
) -> tuple[Conversation, ...]:
    """Return the conversations in order of first appearance, their utterances in the order of the records.

    Args:
        records: the utterances.
        splits: the split of each conversation.
        classes: the class names of ``TARGET``.
        how_to_declare: continues the hint for a label that is not one of the classes.

    Raises:
        InputError: if an utterance occurs twice, or a label is not one of the classes.
    """
    left_out = frozenset(record.id for record in records if record.label is None)
    conversations = to_conversations(records, splits, left_out)
    _check_labels(records, classes, how_to_declare)
    number = {name: place for place, name in enumerate(classes)} | {"": UNLABELLED}
    labels = {record.id: number[record.label] for record in records if record.label is not None}
    kinds: dict[str, str] = {}
    for record in records:
        if record.label is not None:
            kinds.setdefault(record.id[0], record.kind)
    return tuple(
        replace(
            conversation,
            labels={TARGET: np.array([labels[id] for id in conversation.ids], dtype=np.int64)},
            kind=kinds[conversation.id],
        )
        for conversation in conversations
    )


def _check_labels(records: Sequence[Record], classes: Sequence[str], how_to_declare: str) -> None:
    first: dict[str, str] = {}
    for record in records:
        if record.label and record.label not in classes:
            first.setdefault(record.label, record.where)
    if first:
        names = ", ".join(f"'{label}'" for label in first)
        label, where = next(iter(first.items()))
        raise InputError.at(
            where, f"not a class of this corpus: {names}", did_you_mean(label, classes) + how_to_declare
        )
