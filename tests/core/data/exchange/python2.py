"""Pickles as Python 2 wrote them: text as bytes, numpy's old names; protocol 2."""

import pickle
import struct

import numpy as np


def dumps(value):
    """The stream of plain containers, text, numbers and arrays, without a memo."""
    return b"\x80\x02" + _of(value) + b"."


def _of(value):
    match value:
        case bool():
            return b"\x88" if value else b"\x89"
        case int():
            return b"J" + struct.pack("<i", value)
        case float():
            return b"G" + struct.pack(">d", value)
        case str():
            text = value.encode("utf-8")
            return b"T" + struct.pack("<I", len(text)) + text
        case list():
            return b"](" + b"".join(map(_of, value)) + b"e"
        case tuple():
            return b"(" + b"".join(map(_of, value)) + b"t"
        case dict():
            return b"}(" + b"".join(_of(key) + _of(item) for key, item in value.items()) + b"u"
        case set():
            return b"c__builtin__\nset\n(" + _of(sorted(value)) + b"tR"
        case np.ndarray():
            return _array(value)
    raise TypeError(value)


def _array(array):
    made = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n" + _of((0,)) + b"U\x01btR"
    kind = array.dtype.str[1:].encode()
    dtype = (
        b"cnumpy\ndtype\n(U"
        + bytes([len(kind)])
        + kind
        + b"K\x00K\x01tR(K\x03U\x01<NNN"
        + _of(-1)
        + _of(-1)
        + b"K\x00tb"
    )
    raw = array.tobytes()
    return made + b"(K\x01" + _of(array.shape) + dtype + b"\x89T" + struct.pack("<I", len(raw)) + raw + b"tb"


def test_python_reads_them():
    value = {"a": [np.arange(6, dtype="<f8").reshape(2, 3), 1.5, -3], "b": (True, "caf\u00e9"), "c": {"x", "y"}}
    read = pickle.loads(dumps(value), encoding="latin1")
    np.testing.assert_array_equal(read["a"][0], value["a"][0])
    assert read["a"][1:] == [1.5, -3]
    assert read["b"][1].encode("latin1").decode() == "caf\u00e9"
    assert read["c"] == {"x", "y"}
