"""The content of feature files of other projects, independent of their format."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ercfw.contract.conversation import UtteranceId

Key = int | str
"""The name of a conversation in such files: as in the corpus, or a number that counts through all splits."""


@dataclass(frozen=True)
class Published:
    """Conversations and streams as other projects store them.

    Attributes:
        paths: the files that were read.
        corpus: the name of the dataset that they belong to; None = the files do not name it.
        classes: the names of the labels 0, 1, ...; empty = the files do not name them.
        lists: the conversations of ``train``, ``test`` and perhaps ``dev``, in order. Without a list for dev, its
            conversations come last in the list of train.
        utterances: the U utterance ids of each conversation; empty if unknown.
        speakers: the U speakers of each conversation; empty if unknown.
        labels: the U classes of each conversation; empty if unknown.
        sentences: the U texts of each conversation; empty if unknown.
        streams: for each modality, the values ``[U, D]`` of each conversation.
        rows: for each modality, the values ``[rows, D]`` of each split in the order of the annotations, for files that
            name no conversation.
        sentiments: the same as ``labels``, for the target ``sentiment``.
        named: for each modality, the values ``[D]`` of each utterance, by its id in the corpus. Utterances that are not
            in the corpus are ignored with a warning; those of the corpus that are not here lack the modality.
        warnings: warnings about the files, such as what was read in place of an empty cell.
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
    named: Mapping[str, Mapping[UtteranceId, NDArray[np.generic]]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
