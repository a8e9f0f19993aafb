"""Keys that were chosen to collide take seconds, not minutes: one message, wherever the keys are."""

import collections
import io
import pickle

import numpy as np
import pytest
import torch

from ercfw.errors import InputError
from ercfw.pickles import read_pickle

from .test_torch_files import archive

FEW, MANY = 50, 3000  # with 100,000 keys, reading took minutes
PRIME = 2**61 - 1
"""Python's hash of a whole number is its remainder by this prime."""


def number(value):
    raw = value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)
    return b"\x8a" + bytes([len(raw)]) + raw


def numbers(many):
    return [number(place * PRIME) for place in range(1, many + 1)]


def dict_of(keys):
    return b"\x80\x02}(" + b"".join(key + b"N" for key in keys) + b"u."


def one_by_one(keys):
    return b"\x80\x02}" + b"".join(key + b"Ns" for key in keys) + b"."


def at_once(keys):
    return b"\x80\x02(" + b"".join(key + b"N" for key in keys) + b"d."


def set_of(keys):
    return b"\x80\x04\x8f(" + b"".join(keys) + b"\x90."


def frozen_set_of(keys):
    return b"\x80\x04(" + b"".join(keys) + b"\x91."


def called(name):
    return lambda keys: b"\x80\x02c" + name + b"\n](" + b"".join(keys) + b"e\x85R."


def pairs(keys):
    return b"\x80\x02ccollections\nOrderedDict\n](" + b"".join(key + b"N\x86" for key in keys) + b"e\x85R."


WAYS = {
    "dict": dict_of, "one by one": one_by_one, "at once": at_once, "set": set_of, "frozen set": frozen_set_of,
    "set by call": called(b"__builtin__\nset"), "frozen set by call": called(b"__builtin__\nfrozenset"),
    "ordered dict": pairs, "torch": lambda keys: archive(data_pkl=dict_of(keys)),
}  # fmt: skip


@pytest.mark.parametrize("way", WAYS)
def test_numbers(tmp_path, way):
    path = tmp_path / "x.pkl"
    path.write_bytes(WAYS[way](numbers(FEW)))
    assert len(read_pickle(path)) == FEW
    path.write_bytes(WAYS[way](numbers(MANY)))
    with pytest.raises(InputError, match="it has more than 100 keys that collide, which would take too") as refused:
        read_pickle(path)
    assert len(str(refused.value).splitlines()) == 1


def tuples(many):
    """Pairs with one hash: the second number of each is solved for, step by step as Python computes it."""
    word, first, second, fifth = 2**64, 11400714785074694791, 14029467366897019727, 2870177450012600261

    def rotated(value):
        return ((value << 31) | (value >> 33)) % word

    inverse, found, place = pow(second, -1, word), [], 0
    wanted = None
    while len(found) < many:
        place += 1
        before = rotated((fifth + place * second) % word) * first % word
        other = 1 if wanted is None else (wanted - before) * inverse % word
        if other < PRIME:
            wanted = (before + other * second) % word
            found.append((place, other))
    return found


def test_tuples(tmp_path):
    path = tmp_path / "x.pkl"
    chosen = tuples(200)
    assert len({hash(key) for key in chosen}) == 1
    for content in (dict.fromkeys(chosen), {("a", key): 1 for key in chosen}, {(key, "a"): 1 for key in chosen}):
        path.write_bytes(pickle.dumps(content))
        with pytest.raises(InputError, match="more than 100 keys that collide"):
            read_pickle(path)


def test_tuples_of_numbers_of_numpy_are_counted(tmp_path):
    path = tmp_path / "x.pkl"
    few = {(np.int64(n), "x"): n for n in range(1000)}
    path.write_bytes(pickle.dumps(few))
    assert read_pickle(path) == few
    path.write_bytes(pickle.dumps({(np.int64(n), "x"): n for n in range(5001)}))
    with pytest.raises(InputError, match="more than 5000 keys that are frozen sets, or tuples of numpy's numbers"):
        read_pickle(path)


def test_keys_as_people_have_them(tmp_path):
    path = tmp_path / "x.pkl"
    names = [f"Ses01F_impro{n}" for n in range(300)]
    content = {
        "numbers": dict.fromkeys(range(9000)), "negative": {-n: 0 for n in range(300)},
        "of numpy": {np.int64(n): 0 for n in range(6000)},
        "pairs": {(name, n): 0 for name in names for n in range(9)}, "times": {n / 7: 0 for n in range(2000)},
        "large": {2**63 - n * 2**40: 0 for n in range(2000)}, "powers": {2.0**n: 0 for n in range(-1000, 1000)},
        "sets": {frozenset([n]): 0 for n in range(300)}, "counted": collections.Counter("abca"),
        "again": [{("a", 1): n} for n in range(2000)],
    }  # fmt: skip
    for protocol in (2, 4):
        path.write_bytes(pickle.dumps(content, protocol))
        assert read_pickle(path) == content
    file = io.BytesIO()
    torch.save(content, file)
    path.write_bytes(file.getvalue())
    assert read_pickle(path) == content
