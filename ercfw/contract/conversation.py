"""A conversation as a dataset gives it: on the host, unbatched, named as in its source."""

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
"""(conversation, utterance id of the source): sources have gaps, so never a position."""


@dataclass(frozen=True)
class Clip:
    """A video or sound file, or a stretch of one.

    Attributes:
        path: the file.
        start: in seconds from its beginning.
        end: likewise; None = to its end.
        half: the half of the picture that shows who speaks; None = the whole picture.
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
        present: ``[U]`` bool, False where the utterance lacks the modality (zeros there).
        lengths: ``[U]`` int64, real frames or tokens of each utterance; None for vectors.
    """

    values: NDArray[np.float32] | NDArray[np.int64]
    present: NDArray[np.bool_]
    lengths: NDArray[np.int64] | None = None


@dataclass(frozen=True)
class Conversation:
    """A sequence of utterances.

    Attributes:
        id: unique over all splits of a dataset (``train/12`` where the source counts each from 0).
        split: ``train``, ``dev`` or ``test``.
        utterances: U ids as in the source.
        speakers: U names.
        texts: U texts, empty where there is none.
        labels: a target's classes ``[U]`` int64, ``UNLABELLED`` where there is no label.
        streams: a modality's values; read from where they are stored when they are asked for, perhaps.
        teacher: what a teacher says of a target, logits ``[U, C]`` float32; empty without one.
        times: start and end of each utterance in seconds, as the source tells them; empty when unknown.
        clips: the clip of each utterance, or None; empty when there are no clips.
        kind: what sort of conversation it is, where a corpus has several (scripted, improvised): scores are told apart
            by it.
    """

    id: str
    split: str
    utterances: tuple[str, ...]
    speakers: tuple[str, ...]
    texts: tuple[str, ...]
    labels: Mapping[str, NDArray[np.int64]]
    streams: Mapping[str, ConversationStream] = field(default_factory=dict)
    teacher: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    times: tuple[tuple[float, float] | None, ...] = ()
    clips: tuple[Clip | None, ...] = ()
    kind: str = ""

    def __len__(self) -> int:
        return len(self.utterances)

    @property
    def ids(self) -> tuple[UtteranceId, ...]:
        """The name of each utterance."""
        return tuple(zip(repeat(self.id), self.utterances, strict=False))

    @cached_property
    def speaker_numbers(self) -> NDArray[np.int64]:
        """``[U]`` speakers numbered by first appearance in this conversation."""
        numbers: dict[str, int] = {}
        return np.array([numbers.setdefault(name, len(numbers)) for name in self.speakers], dtype=np.int64)

    def only(self, rows: slice) -> "Conversation":
        """The same conversation with these utterances alone, without streams."""

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
        )

    def with_streams(self, streams: Mapping[str, ConversationStream]) -> "Conversation":
        """The same conversation with these streams in place of its own."""
        return replace(self, streams=streams)


def fingerprint(conversation: Conversation) -> str:
    """A short hash of a conversation's name and text, by which runs know what they were trained on."""
    said = json.dumps([conversation.id, conversation.utterances, conversation.texts])
    return hashlib.sha256(said.encode()).hexdigest()[:16]
