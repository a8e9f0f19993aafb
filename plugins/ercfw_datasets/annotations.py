"""What the makers of a corpus wrote down: utterances, one after another, to conversations."""

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
        classes: C names of ``TARGET``.
        rows: every utterance of the source, those that were dropped too.
        source_train: what the makers of the corpus call train.
        provenance: where it came from.
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
    """One utterance as written down. Its names are best interned: a large corpus repeats them millions of times.

    Attributes:
        where: file and line, for messages.
        id: conversation, and utterance id of the source.
        speaker: a name.
        text: may be empty.
        label: a class, empty = unlabelled, None = the utterance is left out of its conversation.
        time: start and end in seconds, if known.
        clip: its clip, if there is one.
        kind: what sort of conversation it is of, where the corpus tells.
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
    """Conversations in order of first appearance, their utterances in the order of the records.

    Args:
        records: the utterances.
        splits: a conversation's split.
        classes: names of ``TARGET``.

    Raises:
        InputError: an utterance stands twice, or a label is no class.
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
                f"utterance '{record.id[1]}' of conversation '{record.id[0]}' stands twice",
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
        raise InputError.at(where, f"no class of this corpus: {names}", did_you_mean(label, classes))
