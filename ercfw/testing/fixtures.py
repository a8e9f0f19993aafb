"""Simulated conversations for tests: several lengths and speakers, absent values, all kinds of streams and targets."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from ercfw.contract.batch import Batch
from ercfw.contract.conversation import UNLABELLED, Conversation, ConversationStream
from ercfw.contract.data_info import DataInfo, StreamKind
from ercfw.contract.targets import Target
from ercfw.data.collate import collate
from ercfw.data.train_statistics import make_data_info
from ercfw.testing.made_targets import CLASSES, TARGETS, in_form

__all__ = ["CLASSES", "DIMS", "TARGET", "TARGETS", "data_info", "make_conversations", "pack"]

TARGET = "emotion"
SIZES = (5, 9, 1, 3)
"""Numbers of utterances; the conversation of a single utterance breaks code that needs a neighbour."""
DIMS: Mapping[str, int] = {"text": 6, "audio": 5, "visual": 4}
"""The width of vectors and frames; for tokens, the size of the vocabulary."""
SOME = 0.3
"""The share of utterances that lack a modality."""
LONGEST = 3
"""Maximum number of frames or tokens of an utterance."""


def make_conversations(
    kinds: Mapping[str, StreamKind],
    absent: float = SOME,
    sizes: Sequence[int] = SIZES,
    seed: int = 0,
    dims: Mapping[str, int] = DIMS,
    target: Target = TARGETS["classes"],
) -> list[Conversation]:
    """Make conversations; about one label in ten is missing.

    Args:
        kinds: the modalities, each ``vector``, ``frames`` or ``tokens``.
        absent: the share of utterances that lack a modality, drawn for each modality.
        sizes: the number of utterances of each conversation.
        seed: determines all values.
        dims: the width of each modality; for tokens, the size of the vocabulary.
        target: what the target ``emotion`` is: one of ``TARGETS``, which has one for each form of labels.

    Returns:
        conversations of the split train, with labels of the target ``emotion``.
    """
    made = [
        _make(number, size, kinds, absent, dims, np.random.default_rng([seed, number]))
        for number, size in enumerate(sizes)
    ]
    return [replace(each, labels={TARGET: in_form(target, each.labels[TARGET])}) for each in made]


def _make(
    number: int,
    size: int,
    kinds: Mapping[str, StreamKind],
    absent: float,
    dims: Mapping[str, int],
    draw: np.random.Generator,
) -> Conversation:
    labels = draw.integers(len(CLASSES), size=size)
    labels[draw.random(size) < 0.1] = UNLABELLED
    return Conversation(
        id=f"made/{number}",
        split="train",
        utterances=tuple(map(str, range(size))),
        speakers=tuple(f"speaker {who}" for who in draw.integers(3, size=size)),
        texts=tuple(f"made up {place}" for place in range(size)),
        labels={TARGET: labels},
        streams={name: _stream(kind, dims[name], size, absent, draw) for name, kind in kinds.items()},
    )


def _stream(kind: StreamKind, dim: int, size: int, absent: float, draw: np.random.Generator) -> ConversationStream:
    present = draw.random(size) >= absent
    if kind == "vector":
        values = draw.normal(size=(size, dim)) * present[:, None]
        return ConversationStream(values.astype(np.float32), present)
    lengths = draw.integers(1, LONGEST + 1, size=size) * present
    real = np.arange(LONGEST) < lengths[:, None]  # [U, T]
    if kind == "tokens":
        tokens = draw.integers(dim, size=real.shape)
        tokens[:, 0] = dim - 1  # so that the largest token occurs
        return ConversationStream(tokens * real, present, lengths)
    frames = draw.normal(size=(size, LONGEST, dim)) * real[..., None]
    return ConversationStream(frames.astype(np.float32), present, lengths)


def data_info(conversations: Sequence[Conversation], target: Target = TARGETS["classes"]) -> DataInfo:
    """Return the ``info`` that parts get when a run is trained on these conversations, which have this target."""
    return make_data_info(conversations, {TARGET: target})


def pack(conversations: Sequence[Conversation]) -> Batch:
    """Collate conversations into one batch."""
    return collate(conversations)
