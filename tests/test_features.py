"""The feature store: what is written is what is read, and damage is one clear message."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save_file

from ercfw.errors import InputError
from ercfw.features import FeatureTable, read_features

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
    before = table(kind, made_by={"extractor": "x", "settings": {"width": 4}}, fitted_on=fitted_on)
    before.save(tmp_path / "a" / "text.safetensors")
    after = FeatureTable.load(tmp_path / "a" / "text.safetensors")
    np.testing.assert_array_equal(after.values, before.values)
    assert after.values.dtype == before.values.dtype
    np.testing.assert_array_equal(after.present, before.present)
    assert (after.ids, after.made_by, after.fitted_on) == (before.ids, before.made_by, before.fitted_on)
    assert (after.lengths is None) == (before.lengths is None)
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["text.safetensors"]


def test_stream_of_vectors_in_any_order_zero_where_absent():
    made = table("vectors")
    stream = made.stream([IDS[2], IDS[1]])
    np.testing.assert_array_equal(stream.values, np.stack([made.values[2], np.zeros(4)]))
    assert stream.present.tolist() == [True, False]
    assert stream.lengths is None


def test_stream_of_tokens_by_hand():
    stream = table("tokens").stream([IDS[2], IDS[0], IDS[1]])  # the absent one holds three tokens
    assert stream.values.tolist() == [[1, 3], [5, 0], [0, 0]]
    assert stream.lengths.tolist() == [2, 1, 0]
    assert stream.values.dtype == np.int64


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(lengths=st.lists(st.integers(0, 4), min_size=1, max_size=6), seed=st.integers(0, 99))
def test_stream_of_frames_against_a_loop(lengths, seed):
    rng = np.random.default_rng(seed)
    pieces = [rng.normal(size=(n, 2)).astype(np.float32) for n in lengths]
    ids = tuple(("c", str(i)) for i in range(len(lengths)))
    present = rng.random(len(lengths)) < 0.7
    made = FeatureTable(ids, np.concatenate(pieces), present, np.array(lengths, dtype=np.int64))
    order = rng.permutation(len(ids))
    stream = made.stream([ids[i] for i in order])
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


def test_an_utterance_without_a_row():
    with pytest.raises(InputError, match=r"no row for utterance train/9/0 \(1 of this"):
        table("vectors").stream([IDS[0], ("train/9", "0")])


def write_damaged(path: Path, damage: str) -> None:
    table("vectors").save(path)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-5])
    elif damage == "text":
        path.write_text("version https://git-lfs.github.com/spec/v1\n")
    elif damage == "foreign":
        save_file({"values": np.zeros((3, 2))}, path)
    else:
        about = {"format": 1, "ids": IDS, "made_by": {}, "fitted_on": "nothing"}
        about |= {"format": {"format": 2}, "ids": {"ids": 3}, "fitted": {"fitted_on": "hearsay"}}[damage]
        tensors = {"values": np.zeros((3, 2)), "present": np.ones(3, dtype=np.uint8)}
        save_file(tensors, path, metadata={"ercfw": json.dumps(about)})


@pytest.mark.parametrize("damage", ["cut", "text", "foreign", "format", "ids", "fitted"])
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
    assert made.values.dtype == np.float32
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
    for name in ("cut.npz", "empty.npy"):
        with pytest.raises(InputError, match="cannot be read as a numpy array"):
            read_features(tmp_path / name, IDS)
