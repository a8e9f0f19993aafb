"""Packing conversations, and the statistics of the training split, against loops and hand-worked cases."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ercfw.contract.conversation import UNLABELLED, Conversation, ConversationStream
from ercfw.data.collate import collate, make_layout
from ercfw.data.train_statistics import BLOCK, make_data_info


def conversation(name, speakers, labels=None, **streams) -> Conversation:
    size = len(speakers)
    return Conversation(
        id=name,
        split="train",
        utterances=tuple(str(2 * place) for place in range(size)),
        speakers=tuple(speakers),
        texts=("",) * size,
        labels={"emotion": np.array(labels if labels is not None else [0] * size, dtype=np.int64)},
        streams=streams,
    )


def vectors(values, present=None) -> ConversationStream:
    values = np.array(values, dtype=np.float32)
    return ConversationStream(values, np.array(present or [True] * len(values)))


def test_parties_assigned_by_a_corpus_number_the_speakers():
    """The second conversation has only the second party, and the statistics still count two."""
    first = replace(conversation("a", "XYXX"), parties=(1, 0, 1, 1))
    second = replace(conversation("b", "XX"), parties=(1, 1))
    batch = collate([first, second])
    assert batch.inputs.speakers.tolist() == [1, 0, 1, 1, 1, 1]
    assert batch.inputs.layout.speakers == 2
    assert batch.inputs.layout.previous_same_speaker.tolist() == [-1, -1, 0, 2, -1, 4]
    assert first.only(slice(2, None)).speaker_numbers.tolist() == [1, 1]
    assert make_data_info([second], {"emotion": ("a",)}).speakers == 2


def test_layout_by_hand():
    batch = collate([conversation("a", "XYXX"), conversation("b", "Y"), conversation("c", "XZZ")])
    layout = batch.inputs.layout
    assert batch.inputs.speakers.tolist() == [0, 1, 0, 0, 0, 0, 1, 1]
    assert layout.sizes == (4, 1, 3)
    assert layout.conversation.tolist() == [0, 0, 0, 0, 1, 2, 2, 2]
    assert layout.position.tolist() == [0, 1, 2, 3, 0, 0, 1, 2]
    assert layout.previous.tolist() == [-1, 0, 1, 2, -1, -1, 5, 6]
    assert layout.previous_same_speaker.tolist() == [-1, -1, 0, 2, -1, -1, -1, 6]
    assert layout.index.tolist() == [0, 1, 2, 3, 4, 8, 9, 10]
    assert layout.mask.tolist() == [[True] * 4, [True, False, False, False], [True, True, True, False]]
    assert batch.ids[4:6] == (("b", "0"), ("c", "0"))
    assert batch.ids[7] == ("c", "4")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=7), min_size=1, max_size=5))
def test_layout_against_a_loop(speakers):
    layout = make_layout([len(s) for s in speakers], [np.array(s, dtype=np.int64) for s in speakers])
    row = 0
    for number, one in enumerate(speakers):
        last: dict[int, int] = {}
        for place, speaker in enumerate(one):
            assert layout.conversation[row] == number
            assert layout.position[row] == place
            assert layout.previous[row] == (row - 1 if place else -1)
            assert layout.previous_same_speaker[row] == last.get(speaker, -1)
            last[speaker] = row
            row += 1
    x = torch.randn(row, 2, 3)
    padded = layout.pad(x)
    assert padded.shape == (len(speakers), max(map(len, speakers)), 2, 3)
    assert not padded[~layout.mask].any()
    torch.testing.assert_close(layout.pack(padded), x, rtol=0, atol=0)
    torch.testing.assert_close(padded[layout.mask], x, rtol=0, atol=0)


def test_gradients_pass_through_pad_and_pack():
    layout = make_layout([2, 3], [np.zeros(2, dtype=np.int64), np.zeros(3, dtype=np.int64)])
    x = torch.randn(5, 2, requires_grad=True)
    layout.pack(layout.pad(x)).sum().backward()
    assert x.grad is not None
    assert x.grad.tolist() == [[1.0, 1.0]] * 5


def test_frames_of_different_lengths_are_padded_and_masked():
    short = ConversationStream(np.ones((1, 1, 2), dtype=np.float32), np.array([True]), np.array([1]))
    values = np.arange(12, dtype=np.float32).reshape(2, 3, 2)
    long = ConversationStream(values, np.array([True, False]), np.array([3, 0]))
    stream = collate([conversation("a", "X", v=short), conversation("b", "XY", v=long)]).inputs.streams["v"]
    assert stream.frames.tolist() == [[True, False, False], [True, True, True], [False] * 3]
    assert stream.present.tolist() == [True, True, False]
    assert stream.values[0].tolist() == [[1, 1], [0, 0], [0, 0]]
    np.testing.assert_array_equal(stream.values[1:].numpy(), values)


def test_labels_and_values_keep_their_rows():
    first = conversation("a", "XY", [2, UNLABELLED], t=vectors([[1], [2]]))
    second = conversation("b", "X", [1], t=vectors([[3]]))
    both = collate([first, second])
    assert both.targets["emotion"].tolist() == [2, -100, 1]
    assert both.inputs.streams["t"].values.tolist() == [[1], [2], [3]]
    swapped = collate([second, first])
    assert swapped.targets["emotion"].tolist() == [1, 2, -100]
    assert swapped.inputs.streams["t"].frames is None


def test_describe_counts_and_measures_present_values_only():
    train = [
        conversation("a", "XYZ", [0, 2, UNLABELLED], t=vectors([[1, 5], [3, 5], [99, 99]], [True, True, False])),
        conversation("b", "XX", [2, 2], t=vectors([[5, 5], [7, 5]])),
    ]
    info = make_data_info(train, {"emotion": ("joy", "fear", "anger")})
    assert info.targets["emotion"].counts == (1, 0, 3)
    assert info.speakers == 3
    spec = info.modalities["t"]
    assert (spec.kind, spec.dim, spec.frames, spec.mean) == ("vector", 2, 1, (4.0, 5.0))
    assert spec.deviation == (pytest.approx(5**0.5), 1.0)


def test_a_constant_column_has_deviation_one():
    column = np.full((1037, 2), 0.1, dtype=np.float32)
    info = make_data_info([conversation("a", "X" * 1037, t=vectors(column))], {"emotion": ("joy",)})
    assert info.modalities["t"].deviation == (1.0, 1.0)


@pytest.mark.parametrize("offset", [0.0, 1e4])
def test_means_and_deviations_of_many_conversations_in_one_go(offset):
    rng = np.random.default_rng(0)
    train = [
        conversation(str(n), "X" * size, t=vectors(offset * (n % 7) + rng.normal(size=(size, 3)), [n % 5 > 0] * size))
        for n, size in enumerate(rng.integers(1, 9, 5 * BLOCK + 3))
    ]
    values = np.concatenate([c.streams["t"].values for n, c in enumerate(train) if n % 5]).astype(np.float64)
    spec = make_data_info(train, {"emotion": ("joy",)}).modalities["t"]
    np.testing.assert_allclose(spec.mean, values.mean(0), rtol=1e-13, atol=1e-13)
    np.testing.assert_allclose(spec.deviation, values.std(0), rtol=1e-13)


def test_describe_frames_and_tokens():
    frames = ConversationStream(
        np.array([[[1], [3]], [[8], [77]]], dtype=np.float32), np.array([True, True]), np.array([2, 1])
    )
    tokens = ConversationStream(np.array([[4, 9, 0]]), np.array([True]), np.array([2]))
    info = make_data_info([conversation("a", "XY", v=frames)], {"emotion": ("joy",)})
    assert info.modalities["v"].mean == (4.0,)  # of 1, 3 and 8: 77 is padding
    assert (info.modalities["v"].kind, info.modalities["v"].frames) == ("frames", 2)
    spec = make_data_info([conversation("a", "X", w=tokens)], {"emotion": ("joy",)}).modalities["w"]
    assert (spec.kind, spec.dim, spec.frames, spec.mean) == ("tokens", 10, 3, ())


def test_a_modality_that_nobody_has_is_still_described():
    nobody = vectors([[0, 0]], [False])
    spec = make_data_info([conversation("a", "X", t=nobody)], {"emotion": ("joy",)}).modalities["t"]
    assert (spec.mean, spec.deviation) == ((0.0, 0.0), (1.0, 1.0))
