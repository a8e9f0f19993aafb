"""Pickles that would run something, take all memory or end the process: each is one message, and nothing runs."""

import builtins
import functools
import io
import os
import pickle
import struct
import sys
from contextlib import suppress
from zipfile import ZIP_DEFLATED, ZipFile

import numpy as np
import pytest
import torch

from ercfw.errors import InputError
from ercfw.pickles import read_pickle


def touch(mark):
    """The arguments of a call that leaves a file."""
    text = f"touch {mark}".encode()
    return b"X" + struct.pack("<I", len(text)) + text


class Calls:
    """Pickled, it is a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def short(text):
    return b"\x8c" + bytes([len(text)]) + text.encode()


def array(shape, dtype=b"f4", content=b"U\x00"):
    """An array of that shape, by hand."""
    kind = b"cnumpy\ndtype\n(U" + bytes([len(dtype)]) + dtype + b"K\x00K\x01tR"
    made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(K\x00tU\x01btR"
    return made + b"(K\x01(" + shape + b"t" + kind + b"\x89" + content + b"tb"


def long(number):
    raw = number.to_bytes(9, "little")
    return b"\x8a" + bytes([len(raw)]) + raw


SYSTEM = short("posix") + short("system")
MEMOIZED = short("posix") + b"\x940" + short("system") + b"\x940h\x00h\x01\x93("
OBJECTS = b"cnumpy\ndtype\n(U\x01OK\x00K\x01tR"
HOSTILE = {
    "system, by REDUCE": lambda mark: b"\x80\x02cposix\nsystem\n(" + touch(mark) + b"tR.",
    "system, by STACK_GLOBAL": lambda mark: b"\x80\x04" + SYSTEM + b"\x93(" + touch(mark) + b"tR.",
    "system, named by the memo": lambda mark: b"\x80\x04" + MEMOIZED + touch(mark) + b"tR.",
    "eval": lambda mark: pickle.dumps(Calls(eval, f"__import__('os').system('touch {mark}')")),
    "exec": lambda mark: pickle.dumps(Calls(exec, f"open({str(mark)!r}, 'w')"), 0),
    "getattr": lambda mark: pickle.dumps(Calls(getattr, "", "join")),
    "import": lambda mark: pickle.dumps(Calls(builtins.__import__, "os")),
    "open": lambda mark: pickle.dumps(Calls(open, str(mark), "w")),
    "INST": lambda mark: b"(" + touch(mark) + b"iposix\nsystem\n.",
    "OBJ": lambda mark: b"(cposix\nsystem\n" + touch(mark) + b"o.",
    "NEWOBJ": lambda mark: b"\x80\x02csubprocess\nPopen\n(" + touch(mark) + b"t\x81.",
    "NEWOBJ_EX": lambda mark: b"\x80\x04" + short("subprocess") + short("Popen") + b"\x93(" + touch(mark) + b"t}\x92.",
    "EXT": lambda mark: b"\x80\x02\x82\x01.",
    "persistent id": lambda mark: b"Pposix.system\n.",
    "BUILD of a function": lambda mark: b"\x80\x02c_codecs\nencode\n}X\x01\x00\x00\x00xK\x01sb.",
    "BUILD of a type": lambda mark: b"\x80\x02cnumpy\nndarray\n}X\x01\x00\x00\x00xK\x01sb.",
    "BUILD with slots": lambda mark: b"\x80\x02c_codecs\nencode\n(N}X\x09\x00\x00\x00_functioncnumpy\ndtype\nstb.",
    "nested in a tensor": lambda mark: pickle.dumps(
        Calls(torch.storage._load_from_bytes, pickle.dumps(Calls(os.system, f"touch {mark}")))
    ),
    "nested in an old torch file": lambda mark: _torch_file(mark, False),
    "nested in a torch file": lambda mark: _torch_file(mark, True),
    "numpy scalar of objects": lambda mark: b"\x80\x02cnumpy.core.multiarray\nscalar\n(" + OBJECTS + b"U\x02N.tR.",
    "pickle.loads": lambda mark: pickle.dumps(Calls(pickle.loads, pickle.dumps(Calls(os.system, f"touch {mark}")))),
    "numpy.load": lambda mark: pickle.dumps(Calls(np.load, str(mark), None, True)),
    "a class of ours": lambda mark: b"\x80\x02cercfw.contract.feature_table\nFeatureTable\n.",
    "huge memo": lambda mark: b"\x80\x02Nr\xff\xff\xff\x7f.",
    "huge bytes": lambda mark: b"\x80\x04\x8e" + struct.pack("<Q", 2**40) + b"x.",
    "huge frame": lambda mark: b"\x80\x04\x95" + struct.pack("<Q", 2**60) + b"N.",
    "huge number": lambda mark: b"I" + b"9" * 10_000 + b"\n.",
    "huge array": lambda mark: b"\x80\x02" + array(long(10**12)) + b".",
    "huge array of nothing": lambda mark: b"\x80\x02" + array(long(10**12), b"U0") + b".",
    "array with less content": lambda mark: b"\x80\x02" + array(b"K\x02", content=b"U\x04abcd") + b".",
    "negative shape": lambda mark: b"\x80\x02" + array(b"J\xff\xff\xff\xff") + b".",
    "dates": lambda mark: b"\x80\x02" + array(b"K\x01", b"M8", content=b"U\x08abcdefgh") + b".",
    "objects that are none": lambda mark: b"\x80\x02" + array(b"K\x02", b"O8", content=b"]") + b".",
    "arrays that share their content": lambda mark: _shared_content(),
    "sets of one list": lambda mark: _shared_list(),
    "bytes without end": lambda mark: pickle.dumps(Calls(bytearray, 2**40)),
    "tensor larger than its content": lambda mark: _stretched((10**9,), (0,)),
    "tensor beyond its content": lambda mark: _stretched((4, 4), (4, 1)),
    "deep tuple as a key": lambda mark: b"\x80\x02}N" + b"\x85" * 10**6 + b"Ns.",
    "deep frozen set": lambda mark: b"\x80\x04(" + b"(" * 200 + b"N" + b"\x91" * 201 + b".",
    "tuples of one tuple twice": lambda mark: b"\x80\x02}N" + b"2\x86" * 90 + b"Ns.",
    "sets of one tuple twice": lambda mark: b"\x80\x04(N" + b"2\x86" * 90 + b"\x91.",
    "one long key again and again": lambda mark: _long_key(),
    "tuples repeated in a torch file": lambda mark: _torch_file_with(b"\x80\x02}N" + b"2\x86" * 90 + b"Ns."),
    "an archive that swells": lambda mark: _swelling(),
    "an archive that is damaged": lambda mark: b"PK\x03\x04" + bytes(100),
    "a function among the values": lambda mark: b"\x80\x02]c_codecs\nencode\na.",
    "a type among the values": lambda mark: b"\x80\x02cnumpy\ndtype\n(U\x02f4K\x00K\x01tR.",
    "an array as a key": lambda mark: b"\x80\x02}" + array(b"K\x00") + b"K\x01s.",
    "a tensor as a key": lambda mark: _saved({torch.ones(1): 1}),
    "a number that is a list": lambda mark: b"\x80\x02cnumpy.core.multiarray\nscalar\n(" + OBJECTS + b"]tR.",
    "a dict of pairs of three": lambda mark: b"\x80\x02ccollections\nOrderedDict\n(](K\x01K\x02K\x03e\x85tR.",
    "a sparse tensor": lambda mark: _saved(torch.eye(3).to_sparse()),
    "wrong protocol": lambda mark: b"\x80\x09N.",
    "values that are not there": lambda mark: b"\x80\x02tR.",
    "a mark for a value": lambda mark: b"\x80\x02((\x85.",
    "memory that is not there": lambda mark: b"\x80\x02h\x05.",
    "text": lambda mark: b"emotion,label\njoy,1\n",
    "nothing": lambda mark: b"",
    "something behind it": lambda mark: b"N.cposix\nsystem\n",
    "PROTO alone": lambda mark: b"\x80",
}  # fmt: skip


def _torch_file(mark, zipped):
    file = io.BytesIO()
    torch.save(Calls(os.system, f"touch {mark}"), file, _use_new_zipfile_serialization=zipped)
    return file.getvalue()


@functools.cache
def _swelling():
    """A small archive of a hundred million zeros."""
    return _torch_file_with(b"\x80\x02N.", {"archive/data/0": bytes(10**8)})


def _torch_file_with(content, more=()):
    """A file of torch.save with other content."""
    file = io.BytesIO()
    with ZipFile(io.BytesIO(_saved([]))) as archive, ZipFile(file, "w", ZIP_DEFLATED) as changed:
        for entry in archive.infolist():
            changed.writestr(entry.filename, content if entry.filename.endswith(".pkl") else archive.read(entry))
        for name, raw in dict(more).items():
            changed.writestr(name, raw)
    return file.getvalue()


def _saved(content):
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def _long_key():
    """A tuple of a hundred thousand numbers, looked up ten thousand times."""
    return b"\x80\x02}(" + b"K\x01" * 10**5 + b"tq\x000" + b"h\x00Ns" * 10**4 + b"."


def _shared_content():
    """A kilobyte of values, and ten thousand arrays that each claim it."""
    raw = b"T" + struct.pack("<I", 1024) + b"x" * 1024 + b"q\x000"
    many = array(b"M\x00\x01", content=b"h\x00")
    return b"\x80\x02" + raw + b"](" + many * 10_000 + b"e."


def _shared_list():
    """Ten thousand numbers, and five thousand sets of them all."""
    numbers = b"".join(b"J" + struct.pack("<i", n) for n in range(10**4))
    return b"\x80\x02](" + numbers + b"eq\x00](" + b"c__builtin__\nset\n(h\x00tR" * 5000 + b"e."


def _stretched(size, stride):
    tensor = torch.arange(4.0)
    function, arguments = tensor.__reduce_ex__(2)
    return pickle.dumps(Calls(function, arguments[0], 0, size, stride, False, arguments[5]), 2)


@pytest.mark.parametrize("name", HOSTILE)
def test_nothing_runs(tmp_path, name):
    mark, path = tmp_path / "ran", tmp_path / "x.pkl"
    path.write_bytes(HOSTILE[name](mark))
    called = []

    def watch(event, arguments):
        if event in ("os.system", "subprocess.Popen", "exec", "import") and active and "ercfw" not in str(arguments):
            called.append(event)

    read_pickle_once(tmp_path)  # so that nothing is left to import
    active = True
    sys.addaudithook(watch)
    try:
        with pytest.raises(InputError) as refused:
            read_pickle(path)
    finally:
        active = False
    assert not mark.exists()
    assert not {"os.system", "subprocess.Popen"} & set(called)
    assert len(str(refused.value).splitlines()) == 1
    assert str(refused.value).startswith(f"{path}: ")
    read_pickle_once(tmp_path)


def read_pickle_once(folder):
    """Whatever was tried, a good pickle is read as before."""
    path = folder / "good.pkl"
    path.write_bytes(pickle.dumps({1: np.arange(3.0), "b": b"x", "t": torch.ones(1)}, 2))
    found = read_pickle(path)
    np.testing.assert_array_equal(found[1], np.arange(3.0))
    assert found["b"] == b"x"


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("system, by REDUCE", "it names posix.system"),
        ("system, named by the memo", "it names posix.system"),
        ("INST", "an instruction INST"),
        ("BUILD of a function", "it changes what it names"),
        ("a class of ours", "it names ercfw.contract.feature_table.FeatureTable"),
        ("huge memo", "it numbers its memory beyond what it holds: 2147483647"),
        ("huge array", "content does not fit its shape"),
        ("sets of one list", "it would make more than it holds"),
        ("arrays that share their content", "it would make more than it holds"),
        ("deep tuple as a key", "nests tuples more than 100 deep"),
        ("tuples of one tuple twice", "it repeats tuples too often"),
        ("sets of one tuple twice", "it repeats tuples too often"),
        ("one long key again and again", "it repeats tuples too often"),
        ("tuples repeated in a torch file", "it repeats tuples too often"),
        ("an archive that swells", "it would make more than it holds"),
        ("an archive that is damaged", "it is a damaged archive"),
        ("a function among the values", "it has a function or type among its values"),
        ("a type among the values", "it has a function or type among its values"),
        ("an array as a key", "it is damaged .TypeError."),
        ("a tensor as a key", "it has an array for a key"),
        ("a number that is a list", "it has a number without content"),
        ("a dict of pairs of three", "it makes a dict of something else"),
        ("a sparse tensor", "it names|not a plain table of numbers"),
        ("something behind it", "there are more bytes after its end, at byte 2"),
        ("wrong protocol", "it uses protocol 9, and the newest that can be read is 5"),
    ],
)
def test_what_is_wrong_is_named(tmp_path, name, says):
    path = tmp_path / "x.pkl"
    path.write_bytes(HOSTILE[name](tmp_path / "ran"))
    with pytest.raises(InputError, match=says):
        read_pickle(path)


def test_cut_off_anywhere(tmp_path):
    whole = pickle.dumps((["a", 1.5, {3: np.arange(4, dtype="f4")}], "text", {1, 2}), 4)
    path = tmp_path / "x.pkl"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(InputError):
            read_pickle(path)


@pytest.mark.slow
def test_one_bit_flipped_anywhere(tmp_path):
    """Read or refused; never another error, and never a class."""
    whole = bytearray(pickle.dumps((["a", 1.5, {3: np.arange(4, dtype="f4")}], "text", {1, 2}), 2))
    path = tmp_path / "x.pkl"
    for place in range(len(whole)):
        for bit in range(8):
            flipped = whole.copy()
            flipped[place] ^= 1 << bit
            path.write_bytes(flipped)
            with suppress(InputError):
                read_pickle(path)


@pytest.mark.slow
def test_deep_lists_are_harmless(tmp_path):
    path = tmp_path / "x.pkl"
    path.write_bytes(b"\x80\x02" + b"]" * 10**5 + b"a" * (10**5 - 1) + b".")
    assert isinstance(read_pickle(path), list)


def test_tuples_as_deep_as_people_write_them(tmp_path):
    value = ()
    for _ in range(99):
        value = (value,)
    path = tmp_path / "x.pkl"
    path.write_bytes(pickle.dumps({value: 1}))
    assert read_pickle(path) == {value: 1}
