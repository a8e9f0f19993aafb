"""What feature files of other projects hold, whatever their format."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Key = int | str
"""How such files name a conversation: as its corpus does, or by a number that counts on over the splits."""


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
        rows: of a modality the values ``[rows, D]`` of each split in the order of the annotations, for formats that
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
