"""Conversations as datasets return them: on the host, unbatched, named as in their source."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import repeat
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

UNLABELLED = -100
Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = ("train", "dev", "test")
UtteranceId = tuple[str, str]
"""The conversation and the utterance id of the source. Never a position, since the ids of a source have gaps."""


@dataclass(frozen=True)
class Clip:
    """A video or sound file, or a segment of one.

    Attributes:
        path: the file.
        start: the start of the segment, in seconds.
        end: the end of the segment, in seconds; None = the end of the file.
        half: the half of the picture that shows the speaker; None = the whole picture.
    """

    path: Path
    start: float = 0.0
    end: float | None = None
    half: Literal["left", "right"] | None = None


@dataclass(frozen=True)
class ConversationStream:
    """One modality of one conversation.

    Attributes:
        values: ``[U, D]`` float32 vectors, ``[U, T, D]`` float32 frames or ``[U, T]`` int64 tokens.
        present: ``[U]`` bool, False where the utterance lacks the modality (its values are zero).
        lengths: ``[U]`` int64, the number of frames or tokens of each utterance; None for vectors.
    """

    values: NDArray[np.float32] | NDArray[np.int64]
    present: NDArray[np.bool_]
    lengths: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class ConversationTeacher:
    """The output of one run of ``[teacher]`` for a conversation; all float32 but ``present``, bool.

    Attributes:
        logits: ``[U, C]`` of each target that the run predicts.
        embeddings: ``[U, E]`` of each target; empty unless a loss requires ``teacher.embedding``.
        views: ``[U, D]`` of each modality; empty unless a loss requires ``teacher.views``.
        present: ``[U]`` for each view.
    """

    logits: Mapping[str, NDArray[np.float32]]
    embeddings: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    views: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    present: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)

    def only(self, rows: slice) -> "ConversationTeacher":
        """Return the output for these utterances only."""

        def cut(group: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
            return {name: values[rows] for name, values in group.items()}

        return ConversationTeacher(cut(self.logits), cut(self.embeddings), cut(self.views), cut(self.present))


@dataclass(frozen=True)
class Conversation:
    """A sequence of utterances.

    Attributes:
        id: unique over all splits of a dataset (``train/12`` if the source counts each split from 0).
        split: ``train``, ``dev`` or ``test``.
        utterances: the U utterance ids, as in the source.
        speakers: the U speakers' names.
        texts: the U texts, empty where there is none.
        labels: the labels of each target: classes ``[U]`` int64, ``UNLABELLED`` where there is no label; or ``[U, C]``
            float32, NaN where there is none (``ercfw/contract/targets.py``).
        streams: the stream of each modality; may be read from disk only when accessed.
        teacher: a teacher's logits for each target, ``[U, C]`` float32; empty without a teacher. Of several runs, the
            logits of their mean prediction.
        times: the start and end of each utterance in seconds, as in the source; empty if unknown.
        clips: the clip of each utterance, or None; empty if there are no clips.
        kind: the kind of conversation, if a corpus has several (scripted, improvised); reports give scores for each.
        parties: the number of the speaker of each utterance, if a corpus assigns the numbers (such as one per gender);
            empty = numbered by first appearance.
        teachers: the output of each run of ``[teacher]``, by its path in the recipe.
        agreement: for targets that tell it, the share of annotators who agreed with the label, ``[U]`` float32 above 0
            and at most 1; all conversations of a corpus have the same targets here.
        cues: words that describe how each utterance is said, such as ``pitch high``, empty where there are none; an
            empty tuple if the corpus has none.
    """

    id: str
    split: str
    utterances: tuple[str, ...]
    speakers: tuple[str, ...]
    texts: tuple[str, ...]
    labels: Mapping[str, NDArray[np.int64] | NDArray[np.float32]]
    streams: Mapping[str, ConversationStream] = field(default_factory=dict)
    teacher: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    times: tuple[tuple[float, float] | None, ...] = ()
    clips: tuple[Clip | None, ...] = ()
    kind: str = ""
    parties: tuple[int, ...] = ()
    teachers: Mapping[str, ConversationTeacher] = field(default_factory=dict)
    agreement: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    cues: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.utterances)

    @property
    def ids(self) -> tuple[UtteranceId, ...]:
        """Return the id of each utterance."""
        return tuple(zip(repeat(self.id), self.utterances, strict=False))

    @cached_property
    def speaker_numbers(self) -> NDArray[np.int64]:
        """Return the speakers ``[U]``, numbered by first appearance in this conversation or as ``parties`` says."""
        if self.parties:
            return np.array(self.parties, dtype=np.int64)
        numbers: dict[str, int] = {}
        return np.array([numbers.setdefault(name, len(numbers)) for name in self.speakers], dtype=np.int64)

    def only(self, rows: slice) -> "Conversation":
        """Return the conversation with these utterances only, without streams."""

        def cut(values: Any) -> Any:
            return values[rows]

        return replace(
            self,
            utterances=cut(self.utterances),
            speakers=cut(self.speakers),
            texts=cut(self.texts),
            labels={target: cut(labels) for target, labels in self.labels.items()},
            streams={},
            teacher={target: cut(logits) for target, logits in self.teacher.items()},
            times=cut(self.times),
            clips=cut(self.clips),
            parties=cut(self.parties),
            agreement={target: cut(shares) for target, shares in self.agreement.items()},
            teachers={run: teacher.only(rows) for run, teacher in self.teachers.items()},
            cues=cut(self.cues),
        )

    def with_streams(self, streams: Mapping[str, ConversationStream]) -> "Conversation":
        """Return the conversation with these streams in place of its own."""
        return replace(self, streams=streams)


def fingerprint(conversation: Conversation) -> str:
    """Return a short hash of a conversation's ids and texts, by which a run records what it was trained on."""
    content = json.dumps([conversation.id, conversation.utterances, conversation.texts])
    return hashlib.sha256(content.encode()).hexdigest()[:16]
