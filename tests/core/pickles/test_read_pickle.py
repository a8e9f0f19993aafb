"""What is harmless is read as pickle itself reads it."""

import collections
import os
import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from ercfw.errors import InputError
from ercfw.pickles import read_pickle

HARMLESS = [
    np.arange(6, dtype="f4").reshape(2, 3), np.arange(6, dtype=">f8").reshape(2, 3), np.arange(6.0).reshape(2, 3).T,
    np.array(3.0), np.zeros((0, 4)), np.array(["a", "bcd"]), np.array([True, False]), np.array([b"ab", b"c"]),
    np.float64(2.5), np.int64(3), np.str_("ab"), np.bool_(True), {1, 2}, frozenset(["x"]),
    collections.OrderedDict(a=1), collections.defaultdict(list, {1: [2]}), b"abc", b"", (1, (2, (3,))), "caf\u00e9",
    None, 2**70, [[1.0] * 3] * 2, {"Ses01": [np.zeros(2, "f4")], 3: (1,)},
]  # fmt: skip


def same(found, wanted):
    """The same values in the same types, arrays compared by content."""
    if isinstance(wanted, np.ndarray):
        assert found.dtype == wanted.dtype
        assert found.shape == wanted.shape
        np.testing.assert_array_equal(np.asarray(found), wanted)
    elif isinstance(wanted, dict):
        assert list(found) == list(wanted)
        for key in wanted:
            same(found[key], wanted[key])
    elif isinstance(wanted, list | tuple):
        assert type(found) is type(wanted)
        assert len(found) == len(wanted)
        for one, other in zip(found, wanted, strict=True):
            same(one, other)
    else:
        assert found == wanted


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("value", HARMLESS, ids=lambda value: type(value).__name__)
def test_what_numpy_and_python_write(tmp_path, value, protocol):
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(value, protocol))
    same(read_pickle(path), pickle.loads(path.read_bytes()))


LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | st.binary()
KEYS = st.integers() | st.text()
NUMBERS = arrays.arrays(st.sampled_from(["f4", "f8", "i8", "u1"]), arrays.array_shapes(max_dims=3, max_side=4),
                        elements=st.integers(0, 100))  # fmt: skip
VALUES = st.recursive(
    LEAVES | NUMBERS,
    lambda inner: st.lists(inner, max_size=4) | st.tuples(inner, inner) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


@settings(max_examples=150, deadline=None)
@given(value=VALUES, protocol=st.integers(0, 5))
def test_whatever_is_plain(tmp_path_factory, value, protocol):
    path = tmp_path_factory.mktemp("any") / "x.pkl"
    path.write_bytes(pickle.dumps(value, protocol))
    same(read_pickle(path), value)


def test_object_arrays(tmp_path):
    path = tmp_path / "x.pkl"
    value = np.empty((2, 2), dtype=object)
    value[:] = [[1, "x"], [None, [2]]]
    path.write_bytes(pickle.dumps(value))
    found = read_pickle(path)
    assert found.shape == (2, 2)
    assert found.tolist() == value.tolist()


def test_what_is_shared_is_one_object(tmp_path):
    row = np.ones(3)
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps({1: [row, row], 2: row}))
    found = read_pickle(path)
    assert found[1][0] is found[1][1] is found[2]


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize(
    "tensor",
    [torch.arange(6.0).reshape(2, 3), torch.arange(6.0).reshape(2, 3).T, torch.arange(12)[3:9:2], torch.zeros(0, 4),
     torch.tensor([1.5, 2.5], dtype=torch.bfloat16), torch.nn.Parameter(torch.ones(2)).detach()],
)  # fmt: skip
def test_tensors_come_as_arrays(tmp_path, tensor, protocol):
    path = tmp_path / "x.pkl"
    wanted = tensor.float().numpy() if tensor.dtype == torch.bfloat16 else tensor.numpy()
    path.write_bytes(pickle.dumps({"train": tensor}, protocol))
    same(read_pickle(path), {"train": wanted})


@pytest.mark.parametrize("zipped", [False, True])
def test_files_of_torch_save(tmp_path, zipped):
    path = tmp_path / "x.pkl"
    torch.save({"a": torch.ones(2), "b": [torch.zeros(1), (3, "x")]}, path, _use_new_zipfile_serialization=zipped)
    same(read_pickle(path), {"a": np.ones(2, "f4"), "b": [np.zeros(1, "f4"), (3, "x")]})


@pytest.mark.parametrize("zipped", [False, True])
def test_what_is_shared_in_a_file_of_torch(tmp_path, zipped):
    row, path = torch.ones(3), tmp_path / "x.pkl"
    torch.save([row, (row, {"again": row})], path, _use_new_zipfile_serialization=zipped)
    found = read_pickle(path)
    assert found[0] is found[1][0] is found[1][1]["again"]
    assert found[0].flags.writeable
    assert type(found[0]) is np.ndarray


def test_a_list_that_holds_itself(tmp_path):
    value, path = [np.ones(2)], tmp_path / "x.pkl"
    value.append(value)
    path.write_bytes(pickle.dumps(value))
    found = read_pickle(path)
    assert found[1] is found
    assert type(found[0]) is np.ndarray


def test_bytes_of_python_2_in_protocol_0(tmp_path):
    """Escaped by hand, as Python 2 wrote text that is not ASCII, and not."""
    path = tmp_path / "x.pkl"
    path.write_bytes(b"S'caf\\xe9'\n.")
    assert read_pickle(path) == "caf\xe9"
    path.write_bytes(b"S'caf\xe9'\n.")
    assert read_pickle(path) == pickle.loads(path.read_bytes(), encoding="latin1") == "caf\xe9"


def test_text_of_no_length(tmp_path):
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(np.str_("")))
    assert read_pickle(path) == ""


def test_no_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "no.pkl", tmp_path, tmp_path / "pipe", Path("/dev/zero")):
        with pytest.raises(InputError, match="there is no such file"):
            read_pickle(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="whoever may read everything is refused nothing")
def test_a_file_that_may_not_be_read(tmp_path):
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps(1))
    path.chmod(0)
    with pytest.raises(InputError, match="cannot be read: Permission denied"):
        read_pickle(path)


@pytest.mark.parametrize("protocol", [3, 4])
def test_a_large_array_is_in_memory_once(tmp_path, protocol):
    """Beside the content of the file itself, which the unpickler reads from."""
    path, size = tmp_path / "x.pkl", 2**24
    path.write_bytes(pickle.dumps({"train": np.arange(size // 8)}, protocol))
    tracemalloc.start()
    found = read_pickle(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2.2 * size
    assert found["train"][-1] == size // 8 - 1
