"""The feature store: what is written is what is read, and damage is one clear message."""

import json
import mmap
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from ercfw.contract.conversation import ConversationStream
from ercfw.contract.feature_table import BLOCK, FeatureTable, read_features
from ercfw.errors import InputError

IDS = (("train/0", "0"), ("train/0", "7"), ("Ses01", "é"))


def table(kind: str, **changed) -> FeatureTable:
    rng = np.random.default_rng(0)
    made = {
        "vectors": {"values": rng.normal(size=(3, 4)).astype(np.float32)},
        "frames": {"values": rng.normal(size=(6, 4)).astype(np.float32), "lengths": np.array([2, 1, 3])},
        "tokens": {"values": np.array([5, 2, 9, 1, 1, 3]), "lengths": np.array([1, 3, 2])},
    }[kind]
    present = np.array([True, False, True])
    return FeatureTable(**{"ids": IDS, "present": present, "fitted_on": "nothing", **made, **changed})


@pytest.mark.parametrize("kind", ["vectors", "frames", "tokens"])
@pytest.mark.parametrize("fitted_on", ["nothing", "unknown", frozenset(IDS[:2]), frozenset()])
def test_saved_is_loaded(kind, fitted_on, tmp_path):
    before = table(kind, provenance={"extractor": "x", "settings": {"width": 4}}, fitted_on=fitted_on)
    before.save(tmp_path / "a" / "text.safetensors")
    after = FeatureTable.load(tmp_path / "a" / "text.safetensors")
    np.testing.assert_array_equal(after.values, before.values)
    assert after.values.dtype == before.values.dtype
    np.testing.assert_array_equal(after.present, before.present)
    assert (after.ids, after.provenance, after.fitted_on) == (before.ids, before.provenance, before.fitted_on)
    assert (after.lengths is None) == (before.lengths is None)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["text.safetensors"]


def test_stream_of_vectors_in_any_order_zero_where_absent():
    made = table("vectors")
    stream = made.select([IDS[2], IDS[1]]).read(np.arange(2))
    np.testing.assert_array_equal(stream.values, np.stack([made.values[2], np.zeros(4)]))
    assert stream.present.tolist() == [True, False]
    assert stream.lengths is None


def test_stream_of_tokens_by_hand():
    stream = table("tokens").select([IDS[2], IDS[0], IDS[1]]).read(np.arange(3))  # the absent one holds three tokens
    assert stream.values.tolist() == [[1, 3], [5, 0], [0, 0]]
    assert stream.lengths.tolist() == [2, 1, 0]
    assert stream.values.dtype == np.int64


def is_mapped(array: np.ndarray) -> bool:
    while isinstance(array, np.ndarray):
        array = array.base
    return isinstance(array, mmap.mmap)


def assert_same(stream: ConversationStream, expected: ConversationStream) -> None:
    assert stream.values.dtype == expected.values.dtype
    np.testing.assert_array_equal(stream.values, expected.values)
    np.testing.assert_array_equal(stream.present, expected.present)
    if expected.lengths is None:
        assert stream.lengths is None
    else:
        np.testing.assert_array_equal(stream.lengths, expected.lengths)


@pytest.mark.parametrize("kind", ["vectors", "frames", "tokens"])
@pytest.mark.parametrize("order", [[0, 1, 2], [2, 0], [1], [1, 2, 0]])
def test_a_mapped_store_is_read_as_what_was_in_memory(kind, order, tmp_path):
    kept = table(kind)
    kept.save(tmp_path / "text.safetensors")
    mapped = read_features(tmp_path / "text.safetensors", IDS)
    assert is_mapped(mapped.values)
    assert not is_mapped(kept.values)
    ids, rows = [IDS[row] for row in order], np.arange(len(order))
    assert_same(mapped.select(ids).read(rows), kept.select(ids).read(rows))


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int16, ">f4"])
@pytest.mark.parametrize("layout", ["C", "F"])
def test_a_mapped_array_of_any_type_is_read_as_float32(dtype, layout, tmp_path):
    values = np.asarray(100 * np.random.default_rng(0).normal(size=(3, 5)), dtype=dtype, order=layout)
    np.save(tmp_path / "audio.npy", values)
    made = read_features(tmp_path / "audio.npy", IDS)
    assert is_mapped(made.values)
    expected = ConversationStream(np.array([values[2], values[0]], np.float32), np.ones(2, bool))
    assert_same(made.select([IDS[2], IDS[0]]).read(np.arange(2)), expected)


def test_what_is_too_large_for_float32_is_refused(tmp_path):
    np.save(tmp_path / "audio.npy", np.array([[0.0], [1e300], [0.0]]))
    with pytest.raises(InputError, match="utterance train/0/7 holds NaN or infinity"):
        read_features(tmp_path / "audio.npy", IDS)


def test_the_last_of_many_rows_is_looked_at():
    values = np.zeros((2 * BLOCK + 3, 2), np.float32)
    values[-1, 1] = np.nan
    ids = tuple(("c", str(row)) for row in range(len(values)))
    with pytest.raises(InputError, match=f"utterance c/{len(values) - 1} holds NaN"):
        FeatureTable(ids, values, np.ones(len(values), bool))


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lengths=st.lists(st.integers(0, 4), min_size=1, max_size=6), seed=st.integers(0, 99))
def test_stream_of_frames_against_a_loop(lengths, seed):
    rng = np.random.default_rng(seed)
    pieces = [rng.normal(size=(n, 2)).astype(np.float32) for n in lengths]
    ids = tuple(("c", str(i)) for i in range(len(lengths)))
    present = rng.random(len(lengths)) < 0.7
    made = FeatureTable(ids, np.concatenate(pieces), present, np.array(lengths, dtype=np.int64))
    order = rng.permutation(len(ids))
    stream = made.select([ids[i] for i in order]).read(np.arange(len(ids)))
    for place, row in enumerate(order):
        real = stream.lengths[place]
        assert real == (lengths[row] if present[row] else 0)
        np.testing.assert_array_equal(stream.values[place, :real], pieces[row][:real])
        assert not stream.values[place, real:].any()


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"ids": IDS[:2]}, "3 rows of values, but 2 utterance ids"),
        ({"ids": (IDS[0], IDS[1], IDS[0])}, "utterance train/0/0 has more than one row"),
        ({"values": np.array([[1, 2], [3, np.nan], [5, 6]])}, "utterance train/0/7 holds NaN or infinity"),
        ({"values": np.zeros((3, 2, 2))}, r"shape \[3, 2, 2\]"),
        ({"values": np.zeros(3)}, r"shape \[3\]"),
    ],
)
def test_a_table_that_does_not_fit_is_refused(changed, message):
    with pytest.raises(InputError, match=message):
        table("vectors", **changed)


def test_frames_that_do_not_add_up_and_a_nan_in_the_last_frame():
    with pytest.raises(InputError, match="6 frames, but the lengths add up to 7"):
        table("frames", lengths=np.array([2, 2, 3]))
    values = np.zeros((6, 4), dtype=np.float32)
    values[3] = np.inf
    with pytest.raises(InputError, match="utterance Ses01/é holds NaN"):
        table("frames", values=values)


@pytest.mark.parametrize("lengths", [np.array([2, -1, 5]), np.array([2.0, 1.0, 3.0])])
def test_lengths_that_are_none(lengths):
    with pytest.raises(InputError, match="lengths that are not whole numbers from 0"):
        table("frames", lengths=lengths)
    with pytest.raises(InputError, match=r"shape \[6\]"):
        table("tokens", values=np.zeros(6))


def test_an_utterance_without_a_row():
    with pytest.raises(InputError, match=r"has no row for 1 utterances; the first is 'train/9/0'"):
        table("vectors").select([IDS[0], ("train/9", "0")])


def write_damaged(path: Path, damage: str) -> None:
    table("vectors").save(path)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-5])
    elif damage == "longer":
        path.write_bytes(path.read_bytes() + bytes(4))
    elif damage == "text":
        path.write_text("version https://git-lfs.github.com/spec/v1\n")
    elif damage == "foreign":
        save_file({"values": np.zeros((3, 2))}, path)
    else:
        about = {"format": 1, "ids": IDS, "made_by": {}, "fitted_on": "nothing"}
        about |= {"format": {"format": 2}, "ids": {"ids": 3}, "fitted": {"fitted_on": "hearsay"}}[damage]
        tensors = {"values": np.zeros((3, 2)), "present": np.ones(3, dtype=np.uint8)}
        save_file(tensors, path, metadata={"ercfw": json.dumps(about)})


@pytest.mark.parametrize("damage", ["cut", "longer", "text", "foreign", "format", "ids", "fitted"])
def test_a_damaged_store_is_one_message(damage, tmp_path):
    path = tmp_path / "text.safetensors"
    write_damaged(path, damage)
    with pytest.raises(InputError, match=f"{re.escape(str(path))}: is not a feature store") as caught:
        read_features(path, IDS)
    assert len(caught.value.mistakes) == 1


@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_an_array_has_a_row_for_each_utterance(suffix, tmp_path):
    values, path = np.arange(6, dtype=np.int16).reshape(3, 2), tmp_path / f"audio{suffix}"
    np.save(path, values) if suffix == ".npy" else np.savez(path, whatever=values)
    made = read_features(path, IDS)
    assert made.ids == IDS
    assert made.fitted_on == "unknown"
    np.testing.assert_array_equal(made.values, values)


def test_what_the_recipe_says_of_a_store_counts(tmp_path):
    table("vectors").save(tmp_path / "a.safetensors")
    assert read_features(tmp_path / "a.safetensors", IDS).fitted_on == "nothing"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (np.zeros((2, 4)), "has 2 rows, but the source has 3 utterances"),
        (np.zeros(3), r"shape \[3\]"),
        (np.array([["a"], ["b"], ["c"]]), "<U1"),
        (np.array([[1.0], [np.nan], [0.0]]), "utterance train/0/7 holds NaN"),
        (np.array([{"pickled": 1}] * 3), "cannot be read as a numpy array"),
    ],
)
def test_an_array_that_does_not_fit_is_refused(content, message, tmp_path):
    np.save(tmp_path / "audio.npy", content)
    with pytest.raises(InputError, match=message):
        read_features(tmp_path / "audio.npy", IDS)


def test_missing_damaged_and_ambiguous_files(tmp_path):
    with pytest.raises(InputError, match="no such feature file"):
        read_features(tmp_path / "audio.npy", IDS)
    np.savez(tmp_path / "two.npz", a=np.zeros((3, 1)), b=np.zeros((3, 1)))
    with pytest.raises(InputError, match="holds 2 arrays"):
        read_features(tmp_path / "two.npz", IDS)
    whole = (tmp_path / "two.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "empty.npy").write_bytes(b"")
    np.save(tmp_path / "whole.npy", np.zeros((3, 4)))
    array = (tmp_path / "whole.npy").read_bytes()
    (tmp_path / "cut.npy").write_bytes(array[:-8])
    (tmp_path / "longer.npy").write_bytes(array + bytes(8))
    for name in ("cut.npz", "empty.npy", "cut.npy", "longer.npy"):
        with pytest.raises(InputError, match="cannot be read as a numpy array"):
            read_features(tmp_path / name, IDS)
