"""Made conversations for the tests of the basics."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest
import torch

from ercfw import Batch, Conversation, ConversationStream, DataInfo, HeadOutput, Outputs, Rows
from ercfw.data.collate import collate, make_layout
from ercfw.data.train_statistics import make_data_info

CLASSES = ("neutral", "joy", "anger", "fear")
DIMS = {"text": 6, "audio": 5, "visual": 4}


@pytest.fixture
def converse() -> Callable[..., Conversation]:
    """One conversation: ``size`` utterances of random vectors, all of it decided by ``seed``."""

    def make(
        size: int, seed: int, *, dims: Mapping[str, int] = DIMS, absent: float = 0.0, speakers: int = 3
    ) -> Conversation:
        rng = np.random.default_rng(seed)
        streams = {}
        for modality, dim in dims.items():
            present = rng.random(size) >= absent
            values = rng.normal(size=(size, dim)) * present[:, None]
            streams[modality] = ConversationStream(values.astype(np.float32), present)
        return Conversation(
            id=f"made/{seed}",
            split="train",
            utterances=tuple(str(place) for place in range(size)),
            speakers=tuple(f"speaker {number}" for number in rng.integers(speakers, size=size)),
            texts=("",) * size,
            labels={"emotion": rng.integers(len(CLASSES), size=size)},
            streams=streams,
        )

    return make


@pytest.fixture
def conversations(converse: Callable[..., Conversation]) -> list[Conversation]:
    """Four of lengths 5, 9, 1 and 3; a third of the values is absent."""
    return [converse(size, seed, absent=0.33) for seed, size in enumerate((5, 9, 1, 3))]


@pytest.fixture
def batch(conversations: list[Conversation]) -> Batch:
    return collate(conversations)


@pytest.fixture
def info(conversations: list[Conversation]) -> DataInfo:
    return make_data_info(conversations, {"emotion": CLASSES})


@pytest.fixture
def answer() -> Callable[..., Outputs]:
    """What a model would give: these logits and embeddings, all rows of one conversation."""

    def make(logits: torch.Tensor, embedding: torch.Tensor | None = None) -> Outputs:
        speakers = np.zeros(len(logits), dtype=np.int64)
        layout = make_layout([len(logits)], [speakers])
        rows = Rows(layout.conversation, layout.previous, layout.previous_same_speaker, torch.from_numpy(speakers))
        return Outputs({"emotion": HeadOutput(logits, logits if embedding is None else embedding)}, rows)

    return make


@pytest.fixture
def rows_of() -> Callable[[Sequence[Conversation], str], slice]:
    """Where a conversation's rows lie in the batch of several."""

    def find(conversations: Sequence[Conversation], id: str) -> slice:
        start = 0
        for conversation in conversations:
            if conversation.id == id:
                return slice(start, start + len(conversation))
            start += len(conversation)
        raise LookupError(id)

    return find
