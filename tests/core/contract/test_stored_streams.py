"""Streams read from where they lie, against the same ones carried by the conversations."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
import torch

from ercfw.contract.conversation import Conversation, ConversationStream
from ercfw.contract.feature_table import FeatureTable
from ercfw.contract.stored_streams import StoredStreams, gather, presence
from ercfw.data.collate import collate
from ercfw.data.train_statistics import make_data_info

SIZES = (3, 1, 5, 2)
CLASSES = {"emotion": ("joy", "fear")}


def bare(number: int, size: int) -> Conversation:
    names = tuple(str(place) for place in range(size))
    return Conversation(
        f"c{number}", "train", names, ("a",) * size, ("",) * size, {"emotion": np.zeros(size, np.int64)}
    )


BARE = [bare(number, size) for number, size in enumerate(SIZES)]
IDS = tuple(id for conversation in BARE for id in conversation.ids)


def tables() -> dict[str, FeatureTable]:
    """A table of each kind, whose rows stand in another order than the utterances."""
    rng = np.random.default_rng(0)
    shuffled = tuple(IDS[row] for row in rng.permutation(len(IDS)))
    lengths = rng.integers(0, 4, len(IDS))
    kinds = {
        "vectors": (rng.normal(size=(len(IDS), 3)).astype(np.float32), None),
        "frames": (rng.normal(size=(lengths.sum(), 2)).astype(np.float32), lengths),
        "tokens": (rng.integers(0, 9, lengths.sum()), lengths),
    }
    return {
        name: FeatureTable(shuffled, values, rng.random(len(IDS)) < 0.7, lengths)
        for name, (values, lengths) in kinds.items()
    }


def stored(*modalities: str) -> list[Conversation]:
    """Conversations that read these modalities from tables and carry the others."""
    sources = {name: table.select(IDS) if name in modalities else None for name, table in tables().items()}
    ends = np.cumsum(SIZES).tolist()
    return [
        carrier.with_streams(StoredStreams(sources, range(end - len(carrier), end), carrier.streams))
        for carrier, end in zip(carried(), ends, strict=True)
    ]


def carried() -> list[Conversation]:
    """Each stream worked out by a plain loop."""
    return [c.with_streams({name: loop(table, c) for name, table in tables().items()}) for c in BARE]


def loop(table: FeatureTable, conversation: Conversation) -> ConversationStream:
    rows = [table.ids.index(id) for id in conversation.ids]
    if table.lengths is None:
        values = [table.values[row] if table.present[row] else np.zeros(3, np.float32) for row in rows]
        return ConversationStream(np.array(values), table.present[rows])
    ends = np.cumsum(table.lengths)
    pieces = [table.values[ends[row] - table.lengths[row] : ends[row]] for row in rows]
    pieces = [piece if table.present[row] else piece[:0] for piece, row in zip(pieces, rows, strict=True)]
    longest = max(1, max(map(len, pieces)))
    padded = np.zeros((len(rows), longest, *table.values.shape[1:]), table.values.dtype)
    for place, piece in enumerate(pieces):
        padded[place, : len(piece)] = piece
    return ConversationStream(padded, table.present[rows], np.array([len(piece) for piece in pieces]))


EVERY = ("vectors", "frames", "tokens")


@pytest.mark.parametrize("modalities", [EVERY, ("frames",), ("tokens", "vectors")])
@pytest.mark.parametrize("order", [[0, 1, 2, 3], [3, 0], [1]])
def test_a_batch_is_the_same_however_its_streams_are_kept(modalities, order):
    ours = collate([stored(*modalities)[number] for number in order]).inputs.streams
    plain = collate([carried()[number] for number in order]).inputs.streams
    assert list(ours) == list(plain) == list(EVERY)
    for name, stream in plain.items():
        assert ours[name].values.dtype == stream.values.dtype
        assert torch.equal(ours[name].values, stream.values)
        assert torch.equal(ours[name].present, stream.present)
        assert (ours[name].frames is None) == (stream.frames is None)
        assert stream.frames is None or torch.equal(ours[name].frames, stream.frames)


def test_one_conversation_reads_its_streams_as_if_it_carried_them():
    for ours, plain in zip(stored("vectors", "tokens"), carried(), strict=True):
        assert len(ours.streams) == len(plain.streams)
        for name, stream in plain.streams.items():
            np.testing.assert_array_equal(ours.streams[name].values, stream.values)
            np.testing.assert_array_equal(ours.streams[name].present, stream.present)


def test_conversations_of_several_sources_make_a_batch_too():
    mixed = [stored(*EVERY)[0], stored(*EVERY)[2], carried()[1]]
    plain = [carried()[0], carried()[2], carried()[1]]
    for name in EVERY:
        np.testing.assert_array_equal(gather(mixed, [name])[name].values, gather(plain, [name])[name].values)


def test_presence_reads_no_value():
    conversations = stored("vectors", "frames")
    expected = {name: np.concatenate([c.streams[name].present for c in carried()]) for name in EVERY}
    for store in conversations[0].streams.stored.values():
        if store is not None:
            object.__setattr__(store, "values", None)
    for name in EVERY:
        np.testing.assert_array_equal(presence(conversations, name), expected[name])
    assert presence([], "vectors").tolist() == []


def test_a_batch_may_be_written_to_and_the_table_stays():
    conversations = stored(*EVERY)
    before = collate(conversations)
    for stream in before.inputs.streams.values():
        stream.values.fill_(7)
        stream.present.fill_(False)
    again, plain = collate(conversations), collate(carried())
    for name in EVERY:
        assert torch.equal(again.inputs.streams[name].values, plain.inputs.streams[name].values)
        assert torch.equal(again.inputs.streams[name].present, plain.inputs.streams[name].present)


def test_a_model_gets_the_same_about_them():
    ours, plain = make_data_info(stored(*EVERY), CLASSES), make_data_info(carried(), CLASSES)
    assert replace(ours, modalities={}) == replace(plain, modalities={})
    assert ours.modalities == plain.modalities


def test_batches_may_be_made_in_several_threads_at_once():
    conversations = stored(*EVERY)
    orders = [np.random.default_rng(seed).permutation(4).tolist() for seed in range(40)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda order: collate([conversations[n] for n in order]), orders))
    for batch, order in zip(found, orders, strict=True):
        plain = collate([carried()[n] for n in order])
        assert batch.ids == plain.ids
        for name, stream in plain.inputs.streams.items():
            assert torch.equal(batch.inputs.streams[name].values, stream.values)
