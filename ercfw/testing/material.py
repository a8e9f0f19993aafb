"""Made-up conversations for checks: several lengths and speakers, absent values, vectors, frames and tokens."""

from collections.abc import Mapping, Sequence

import numpy as np

from ercfw.contract.batch import Batch
from ercfw.contract.conversation import UNLABELLED, Conversation, ConversationStream
from ercfw.contract.data_info import DataInfo, StreamKind
from ercfw.data.collate import collate
from ercfw.data.train_statistics import make_data_info

CLASSES = ("neutral", "joy", "anger", "fear")
TARGET = "emotion"
SIZES = (5, 9, 1, 3)
"""Utterances; one conversation of a single one, which breaks what counts on a neighbour."""
DIMS: Mapping[str, int] = {"text": 6, "audio": 5, "visual": 4}
"""Widths of vectors and frames; of tokens how many there are."""
SOME = 0.3
"""Share of the values that is absent."""
LONGEST = 3
"""Frames or tokens of an utterance, at most."""


def make_conversations(
    kinds: Mapping[str, StreamKind],
    absent: float = SOME,
    sizes: Sequence[int] = SIZES,
    seed: int = 0,
    dims: Mapping[str, int] = DIMS,
) -> list[Conversation]:
    """Conversations of these modalities; a share of the values is absent, and one label in ten is missing."""
    return [
        _make(number, size, kinds, absent, dims, np.random.default_rng([seed, number]))
        for number, size in enumerate(sizes)
    ]


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
        tokens[:, 0] = dim - 1  # so that the data has as many tokens as it should
        return ConversationStream(tokens * real, present, lengths)
    frames = draw.normal(size=(size, LONGEST, dim)) * real[..., None]
    return ConversationStream(frames.astype(np.float32), present, lengths)


def tell(conversations: Sequence[Conversation]) -> DataInfo:
    """What a part is told of them."""
    return make_data_info(conversations, {TARGET: CLASSES})


def pack(conversations: Sequence[Conversation]) -> Batch:
    """One batch of them."""
    return collate(conversations)
