"""The annotations of a corpus: from a list of utterances to conversations."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ercfw import UNLABELLED, Clip, Conversation, InputError, Provenance, UtteranceId, did_you_mean

TARGET = "emotion"


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
class Record:
    """One annotated utterance.

    Intern its names: a large corpus repeats them millions of times.

    Attributes:
        where: file and line, for messages.
        id: the conversation, and the utterance id of the source.
        speaker: the speaker's name.
        text: the text; may be empty.
        label: a class; empty = unlabelled, None = the utterance is left out of its conversation.
        time: start and end in seconds, if known.
        clip: the utterance's clip, if there is one.
        kind: the kind of its conversation, if the corpus distinguishes kinds.
    """

    where: str
    id: UtteranceId
    speaker: str
    text: str
    label: str | None
    time: tuple[float, float] | None = None
    clip: Clip | None = None
    kind: str = ""


def to_conversations(
    records: Sequence[Record], splits: Mapping[str, str], classes: Sequence[str]
) -> tuple[Conversation, ...]:
    """Return the conversations in order of first appearance, their utterances in the order of the records.

    Args:
        records: the utterances.
        splits: the split of each conversation.
        classes: the class names of ``TARGET``.

    Raises:
        InputError: if an utterance occurs twice, or a label is not one of the classes.
    """
    _check_once(records)
    _check_labels(records, classes)
    number = {name: place for place, name in enumerate(classes)} | {"": UNLABELLED}
    grouped: dict[str, list[Record]] = {}
    for record in records:
        if record.label is not None:
            grouped.setdefault(record.id[0], []).append(record)
    return tuple(
        Conversation(
            id=name,
            split=splits[name],
            utterances=tuple(record.id[1] for record in group),
            speakers=tuple(record.speaker for record in group),
            texts=tuple(record.text for record in group),
            labels={TARGET: np.array([number[record.label or ""] for record in group], dtype=np.int64)},
            times=tuple(record.time for record in group) if any(record.time for record in group) else (),
            clips=tuple(record.clip for record in group) if any(record.clip for record in group) else (),
            kind=group[0].kind,
        )
        for name, group in grouped.items()
    )


def _check_once(records: Sequence[Record]) -> None:
    seen: dict[UtteranceId, str] = {}
    for record in records:
        if record.id in seen:
            raise InputError.at(
                record.where,
                f"utterance '{record.id[1]}' of conversation '{record.id[0]}' occurs twice",
                f"first at {seen[record.id]}",
            )
        seen[record.id] = record.where


def _check_labels(records: Sequence[Record], classes: Sequence[str]) -> None:
    first: dict[str, str] = {}
    for record in records:
        if record.label and record.label not in classes:
            first.setdefault(record.label, record.where)
    if first:
        names = ", ".join(f"'{label}'" for label in first)
        label, where = next(iter(first.items()))
        raise InputError.at(where, f"not a class of this corpus: {names}", did_you_mean(label, classes))
