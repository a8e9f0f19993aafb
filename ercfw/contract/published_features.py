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
class PublishedFrames:
    """The frames of one modality: any number of vectors per utterance.

    Attributes:
        values: ``[F, D]``, the frames of all utterances, one utterance after the other, in the order of ``lengths``.
        lengths: the number of frames of each of the U utterances of each conversation; 0 = the utterance lacks them.
    """

    values: NDArray[np.generic]
    lengths: Mapping[Key, Sequence[int]]


@dataclass(frozen=True)
class PublishedScores:
    """The numbers that utterances are labelled with.

    Attributes:
        values: the U numbers of each conversation.
        range: the lowest and highest possible number.
    """

    values: Mapping[Key, Sequence[float]]
    range: tuple[float, float]


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
        frames: the frames of each modality that has several vectors per utterance; not in ``streams``.
        scores: the numbers of each target of regression, by its name. The first one identifies the utterances.
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
    frames: Mapping[str, PublishedFrames] = field(default_factory=dict)
    scores: Mapping[str, PublishedScores] = field(default_factory=dict)
    named: Mapping[str, Mapping[UtteranceId, NDArray[np.generic]]] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
