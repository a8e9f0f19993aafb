"""Files of torch.save in both forms: tensors of every type, numpy arrays among them, and damaged ones."""

import io
import pickle
import random
from contextlib import suppress
from zipfile import ZipFile

import numpy as np
import pytest
import torch

from ercfw.errors import InputError
from ercfw.pickles import read_pickle

from .test_read_pickle import HARMLESS, same

BOTH = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "old"])
TYPES = [
    torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.int16, torch.int8,
    torch.uint64, torch.uint32, torch.uint16, torch.uint8, torch.bool, torch.complex128, torch.complex64,
    torch.float8_e4m3fn, torch.float8_e5m2, torch.float8_e4m3fnuz, torch.float8_e5m2fnuz,
]  # fmt: skip


@pytest.fixture
def saved(tmp_path):
    """``saved(value, zipped)``: the value as it is read from a file of torch.save."""

    def save(value, zipped=True, protocol=2):
        path = tmp_path / "x.pt"
        torch.save(value, path, _use_new_zipfile_serialization=zipped, pickle_protocol=protocol)
        return read_pickle(path)

    return save


@BOTH
@pytest.mark.parametrize("value", HARMLESS, ids=lambda value: type(value).__name__)
def test_what_numpy_and_python_hold(saved, value, zipped):
    same(saved(value, zipped), pickle.loads(pickle.dumps(value)))


@BOTH
@pytest.mark.parametrize("protocol", [2, 4, 5])
def test_arrays_beside_tensors(saved, zipped, protocol):
    given = {"a": np.arange(6, dtype="f4").reshape(2, 3), "t": [torch.ones(2), (np.float32(1), "x")], 3: np.array("ab")}
    found = saved(given, zipped, protocol)
    same(found, given | {"t": [np.ones(2, "f4"), (np.float32(1), "x")]})
    assert all(type(array) is np.ndarray for array in (found["a"], found["t"][0]))


@BOTH
@pytest.mark.parametrize("kind", TYPES, ids=str)
def test_every_type(saved, kind, zipped):
    draw = torch.arange(-2, 4) if kind.is_signed else torch.arange(6)
    tensor = draw.reshape(2, 3).to(kind)
    known = kind in (torch.bfloat16,) or str(kind).startswith("torch.float8")
    wanted = (tensor.float() if known else tensor).numpy()
    same(saved([tensor, tensor.T, tensor[1:, ::2], tensor[:0], tensor[0, 1]], zipped),
         [wanted, wanted.T, wanted[1:, ::2], wanted[:0], wanted[0, 1, ...]])  # fmt: skip


@BOTH
def test_views_that_are_stored_as_others(saved, zipped):
    value = torch.tensor([1 + 2j, 3 - 1j])
    same(saved(value.conj(), zipped), value.conj().resolve_conj().numpy())
    same(saved(value.conj().imag, zipped), -value.imag.numpy())


@BOTH
def test_weights_of_a_network(saved, zipped):
    network = torch.nn.BatchNorm1d(2)
    found = saved(network.state_dict(), zipped)
    assert type(found) is dict
    same(found, {name: tensor.numpy() for name, tensor in network.state_dict().items()})
    same(saved([network.weight, torch.Size([2, 3]), torch.arange(3).untyped_storage()], zipped),
         [np.ones(2, "f4"), (2, 3), np.frombuffer(np.arange(3).tobytes(), "u1")])  # fmt: skip


def archive(**entries):
    """A file of torch.save that holds these entries, and no others."""
    file = io.BytesIO()
    with ZipFile(file, "w") as made:
        for name, content in entries.items():
            made.writestr(f"archive/{name.replace('__', '/').replace('_pkl', '.pkl')}", content)
    return file.getvalue()


def stored(id):
    return b"\x80\x02" + id + b"Q."


def tensor_of(type, key=b"0", size=4, offset=0, stride=1):
    id = b"(X\x07\x00\x00\x00storage" + type + b"X\x01\x00\x00\x00" + key + b"X\x03\x00\x00\x00cpuK\x04tQ"
    numbers = b"K%c(K%ct(K%ct" % (offset, size, stride)
    return b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + id + numbers + b"\x89NtR."


FLOAT, LONG = b"ctorch\nFloatStorage\n", b"ctorch\nLongStorage\n"


def test_a_tensor_by_hand(tmp_path):
    path = tmp_path / "x.pt"
    path.write_bytes(archive(data_pkl=tensor_of(FLOAT), data__0=np.arange(4, dtype="f4").tobytes()))
    np.testing.assert_array_equal(read_pickle(path), np.arange(4, dtype="f4"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (lambda: archive(data_pkl=tensor_of(FLOAT)), "a tensor without content"),
        (lambda: archive(data_pkl=tensor_of(FLOAT), data__0=bytes(12)), "a tensor that is larger than its content"),
        (lambda: archive(data_pkl=tensor_of(LONG), data__0=bytes(31)), "a tensor that is larger than its content"),
        (lambda: archive(data_pkl=tensor_of(FLOAT, offset=1), data__0=bytes(16)), "larger than its content"),
        (lambda: archive(data_pkl=tensor_of(FLOAT, stride=2), data__0=bytes(16)), "larger than its content"),
        (lambda: archive(data_pkl=tensor_of(b"N"), data__0=bytes(16)), "fetches something that is no tensor"),
        (lambda: archive(data_pkl=stored(b"K\x01")), "fetches something that is no tensor"),
        (lambda: archive(data_pkl=stored(FLOAT)), "fetches something that is no tensor"),
        (lambda: archive(data_pkl=b"\x80\x02cposix\nsystem\n."), "it names posix.system"),
        (lambda: archive(data_pkl=tensor_of(FLOAT), byteorder=b"big"), "another order of bytes"),
        (lambda: archive(words=b"x"), "no file of torch.save"),
        (lambda: b"\x80\x02K\x01Q.", "an instruction BINPERSID"),
        (lambda: pickle.dumps({"t": torch.float32}), "function or type among its values"),
    ],
)  # fmt: skip
def test_damaged_or_hostile(tmp_path, content, says):
    path = tmp_path / "x.pt"
    path.write_bytes(content())
    with pytest.raises(InputError, match=says) as refused:
        read_pickle(path)
    assert len(str(refused.value).splitlines()) == 1


def test_an_old_file_that_is_cut_off(tmp_path):
    file, path = io.BytesIO(), tmp_path / "x.pt"
    torch.save([torch.arange(4), torch.ones(3)], file, _use_new_zipfile_serialization=False)
    whole = file.getvalue()
    for length in range(0, len(whole), 5):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError):
            read_pickle(path)


@BOTH
def test_bytes_that_are_changed_anywhere(tmp_path, zipped):
    """Read or refused; never another error, and never a class."""
    draw, file, path = random.Random(0), io.BytesIO(), tmp_path / "x.pt"
    torch.save({"a": torch.arange(4.0), "b": np.arange(3), "c": ["x", 1]}, file, _use_new_zipfile_serialization=zipped)
    whole = file.getvalue()
    for _ in range(200):
        changed = bytearray(whole)
        changed[draw.randrange(len(whole))] = draw.randrange(256)
        path.write_bytes(changed)
        with suppress(InputError):
            read_pickle(path)
