"""What feature files of other projects hold, whatever their layout."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ercfw.contract.conversation import Conversation, Split

Key = int | str
"""How such files name a conversation: as its corpus does, or by a number that counts on over the splits."""

ANYBODYS = "table"
"""The dataset of files that belong to no corpus of their own."""


@dataclass(frozen=True)
class Published:
    """Conversations and streams as other projects keep them.

    Attributes:
        paths: the files that were read.
        corpus: the dataset that they belong to, by its name; None = they do not tell.
        classes: what the labels 0, 1, ... mean; empty = they do not tell.
        lists: the conversations of ``train``, ``test`` and perhaps ``dev``, in order; without a list of its own,
            dev stands in that of train, behind it.
        utterances: the U utterance ids of a conversation; empty when unknown.
        speakers: U speakers of each conversation, likewise.
        labels: U classes of each conversation, likewise.
        sentences: U texts of each conversation, likewise.
        streams: of a modality the values ``[U, D]`` of each conversation.
        rows: of a modality the values ``[rows, D]`` of each split in the order of the annotations, for layouts that
            name no conversation.
        sentiments: as ``labels``, of the target ``sentiment``.
    """

    paths: tuple[Path, ...]
    corpus: str | None
    classes: tuple[str, ...]
    lists: Mapping[str, Sequence[Key]]
    utterances: Mapping[Key, Sequence[str]] = field(default_factory=dict)
    speakers: Mapping[Key, Sequence[str]] = field(default_factory=dict)
    labels: Mapping[Key, Sequence[int]] = field(default_factory=dict)
    sentences: Mapping[Key, Sequence[str]] = field(default_factory=dict)
    streams: Mapping[str, Mapping[Key, NDArray[np.generic]]] = field(default_factory=dict)
    rows: Mapping[str, Mapping[str, NDArray[np.generic]]] = field(default_factory=dict)
    sentiments: Mapping[Key, Sequence[int]] = field(default_factory=dict)


def public_keys(splits: Mapping[Split, Sequence[Conversation]]) -> dict[str, Key]:
    """How public files name each conversation.

    Where every split counts its conversations from 0 (``train/12``), a number that counts on over the splits:
    MELD's train is 0 to 1038, its dev 1039 to 1152, its test 1153 to 1432. Otherwise the conversation's own name.
    """
    names = [c.id for conversations in splits.values() for c in conversations]
    numbers = {split: [_number(split, c.id) for c in conversations] for split, conversations in splits.items()}
    if any(number is None for found in numbers.values() for number in found):
        return {name: name for name in names}
    counted = {split: [n for n in found if n is not None] for split, found in numbers.items()}
    offsets = accumulate((max(found, default=-1) + 1 for found in counted.values()), initial=0)
    keys = [start + n for start, found in zip(offsets, counted.values(), strict=False) for n in found]
    return dict(zip(names, keys, strict=True))


def _number(split: str, name: str) -> int | None:
    before, slash, number = name.partition("/")
    return int(number) if slash and before == split and number.isdecimal() else None
