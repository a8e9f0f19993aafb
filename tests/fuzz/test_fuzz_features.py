"""Feature files: damaged ones, headers that lie, stores of what cannot be; what they found stands first."""

import io
import json
import struct
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from ercfw.contract.feature_table import read_features

ROWS = tuple((f"c{n // 3}", f"u{n}") for n in range(8))
VALUES = np.linspace(-1, 1, 32, dtype=np.float32).reshape(8, 4)
LENGTHS = np.array([2, 0, 3, 1, 4, 2, 3, 1])
ABOUT = {"format": 1, "ids": ROWS, "made_by": {"extractor": "mine"}, "fitted_on": [ROWS[0], ROWS[1]]}
STORES = {
    "vectors": {"values": VALUES, "present": np.ones(8, np.uint8)},
    "frames": {"values": np.tile(VALUES, (2, 1)), "present": np.ones(8, np.uint8), "lengths": LENGTHS},
    "tokens": {"values": np.arange(16), "present": np.arange(8, dtype=np.uint8) % 2, "lengths": LENGTHS},
}


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def promising(header: object, content: bytes = b"\1" * 128, version: tuple[int, int] = (1, 0)) -> bytes:
    """An array's file with this header, whatever its content."""
    text = repr(header).encode() + b"\n"
    size = struct.pack("<H" if version[0] == 1 else "<I", len(text))
    return b"\x93NUMPY" + bytes(version) + size + text + content


def zipped(*members: bytes) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for number, member in enumerate(members):
            archive.writestr(f"{number}.npy", member)
    return file.getvalue()


def store(kind: str = "vectors", about: object = ABOUT, **changed: np.ndarray | None) -> bytes:
    tensors = {name: x for name, x in {**STORES[kind], **changed}.items() if x is not None}
    return save(tensors, metadata={"ercfw": about if isinstance(about, str) else json.dumps(about)})


def header(descr: object = "<f4", shape: object = (8, 4)) -> dict[str, object]:
    return {"descr": descr, "fortran_order": False, "shape": shape}


def read(suffix: str, content: bytes) -> None:
    """All that is ever done with a feature file."""
    path = Path(f"fuzzed.{suffix}")
    path.write_bytes(content)
    table = read_features(path, ROWS)
    rows = table.select(ROWS)
    rows.read(np.arange(len(ROWS)))
    for number in range(len(ROWS)):
        rows.read(np.array([number]))
    assert table.dim > 0
    json.dumps(table.provenance)


UNSIGNED = np.array([2**62] * 4 + [16] + [0] * 3, np.uint64)
FOUND = {
    "a header without an end": ("npy", promising(header())[:12] + b"(" * 200, "cannot be read"),
    "a type without a size": ("npy", promising(header("|V0", (-1,))), "holds |V0 of shape [-1]"),
    "more than there is": ("npy", promising(header(shape=(2**62, 4))), "its header promises"),
    "more than there is, zipped": ("npz", zipped(promising(header(shape=(8, 10**9)))), "its header promises"),
    "no array, zipped": ("npz", zipped(b"What is in it, is text."), "cannot be read"),
    "another packing": ("npz", zipped(npy(VALUES)).replace(b"\x08\x00", b"\x63\x00"), "cannot be read"),
    "a locked archive": ("npz", zipped(npy(VALUES)).replace(b"\0\0\x08\0", b"\1\0\x08\0"), "cannot be read"),
    "lists in lists": ("safetensors", store(about="[" * 100_000), "is not a feature store: invalid JSON"),
    "lengths that overflow": ("safetensors", store("frames", lengths=UNSIGNED.astype(np.int64)), "add up to more"),
    "unsigned lengths": ("safetensors", store("frames", lengths=UNSIGNED + 2**63), "not whole numbers from 0"),
    "lengths in rows": ("safetensors", store("frames", lengths=LENGTHS.reshape(8, 1)), "not whole numbers from 0"),
    "tokens below 0": ("safetensors", store("tokens", values=np.arange(-3, 13)), "holds tokens below 0"),
    "no width": ("safetensors", store(values=VALUES[:, :0]), "shape [8, 0]"),
    "presence in rows": ("safetensors", store(present=np.ones((8, 4), np.uint8)), "8 rows of values"),
    "ids that are numbers": ("safetensors", store(about={**ABOUT, "ids": [[1, 2]] * 8}), "ids.0.0: should be a valid"),
    "fitted on a word": ("safetensors", store(about={**ABOUT, "fitted_on": {"ab": 1}}), "fitted_on"),
}


@pytest.mark.parametrize("name", FOUND)
def test_found(name, bearable):
    suffix, content, expected = FOUND[name]
    assert expected in str(bearable(lambda: read(suffix, content), names=f"fuzzed.{suffix}"))


@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_found_that_memory_was_taken_for_what_is_not_there(suffix, bearable):
    content = promising(header(shape=(8, 10**8)))
    tracemalloc.start()
    try:
        reported = bearable(lambda: read(suffix, content if suffix == "npy" else zipped(content)))
        assert tracemalloc.get_traced_memory()[1] < 10**7
    finally:
        tracemalloc.stop()
    assert "promises 3200000000 bytes" in str(reported)


def test_a_name_that_is_too_long_for_a_file(bearable):
    assert bearable(lambda: read_features(Path("x" * 300 + ".npy"), ROWS), names="there is no such") is not None


FILES = {
    "npy": [npy(VALUES), npy(VALUES.astype(">f8")), npy(np.asfortranarray(VALUES)), npy(np.arange(16).reshape(8, 2))],
    "npz": [zipped(npy(VALUES)), zipped(npy(VALUES), npy(VALUES))],
    "safetensors": [store(kind) for kind in STORES],
}
WORDS = [
    b"\0" * 8, b"\xff" * 8, b"\x7f" * 8, b"(8, 4)", b"(8,)", b"(-1, 4)", b"(8, 10**9)", b"(9223372036854775807, 2)",
    b"True", b"'|O'", b"'<f4'", b"'<V8'", b"('a', '<i4')", b"[('a', '<i4')]", b"<M8[s]", b"[" * 200, b"{" * 200,
    b"F32", b"BF16", b"F64", b"BOOL", b"[0,128]", b"[0,18446744073709551615]", b"\\u0000", b"\\ud800", b"NaN", b"1e400",
    b"values", b"present", b"lengths", b"__metadata__", b"PK\x03\x04", b"PK\x05\x06",
]  # fmt: skip


@pytest.mark.slow
@pytest.mark.cases(200)
@given(data=st.data(), suffix=st.sampled_from(list(FILES)))
def test_bytes(data, suffix, bearable, damaged, planted):
    whole = st.sampled_from(FILES[suffix]).flatmap(lambda content: damaged(content, [*WORDS, planted]))
    pieces = st.lists(st.sampled_from([*WORDS, planted]) | st.binary(max_size=20), max_size=5).map(b"".join)
    content = data.draw(whole | whole | pieces)
    bearable(lambda: read(suffix, content), names=f"fuzzed.{suffix}")


def test_what_holds_pickles_is_not_opened(bearable, planted):
    objects = promising(header("|O", (8, 4)), planted)
    for suffix, content in (("npy", objects), ("npz", zipped(objects)), *((suffix, planted) for suffix in FILES)):
        assert bearable(lambda s=suffix, c=content: read(s, c)) is not None


TYPES = ["<f4", "<f8", ">f2", "<i8", "|u1", "|b1", "|O", "<U3", "|S4", "|V8", "|V0", "<M8[s]", "<m8", "<c8", "<f16"]
ITEMS = st.sampled_from(TYPES)
RECORDS = st.lists(st.tuples(st.sampled_from("ab"), ITEMS), max_size=2)
DIMS = st.sampled_from([0, 1, 2, 4, 8, -1, 10**6, 2**31, 2**62, 2**63, 2**64, 10**30, True, None, 1.5])
SHAPES = st.lists(DIMS, max_size=4).map(tuple) | st.sampled_from([(8, 4), (8, 2**40), (2**62, 4), (-8, -4), 32, (8, 0)])


@pytest.mark.cases(100)
@given(
    descr=st.just("<f4") | ITEMS | RECORDS | st.none(),
    order=st.sampled_from([True, False, False, None]),
    shape=st.just((8, 4)) | SHAPES,
    version=st.sampled_from([(1, 0), (1, 0), (1, 0), (2, 0), (3, 0), (4, 0)]),
    size=st.just(128) | st.integers(0, 200),
    suffix=st.sampled_from(["npy", "npz"]),
)
def test_headers(descr, order, shape, version, size, suffix, bearable):
    """A header that promises something else than what there is, in an array and in one that is compressed."""
    content = promising({"descr": descr, "fortran_order": order, "shape": shape}, b"\1" * size, version)
    bearable(lambda: read(suffix, content if suffix == "npy" else zipped(content)), names=f"fuzzed.{suffix}")


NUMBERS = st.lists(st.sampled_from([0, 1, 2, 3, -1, 2**31, 2**62, 2**63 - 1, -(2**63)]), min_size=8, max_size=8)
KINDS = st.sampled_from(["<f4", "<f8", "<f2", "<i8", "<u8", "|i1", "|u1", "|b1", "<c8", "<u2"])
ARRAYS = st.one_of(
    st.none(),
    NUMBERS.map(np.array),
    NUMBERS.map(lambda numbers: np.array(numbers).astype(np.uint64)),
    st.builds(np.zeros, st.lists(st.sampled_from([0, 1, 4, 8, 16]), max_size=3), KINDS),
    st.sampled_from([np.full((8, 4), np.nan, np.float32), np.full((8, 4), 1e300), np.full(8, np.nan)]),
)
NAMES = st.sampled_from(["values", "present", "lengths", "more"])


@pytest.mark.cases(100)
@given(data=st.data(), kind=st.sampled_from(list(STORES)), arrays=st.dictionaries(NAMES, ARRAYS, max_size=2))
def test_stores(data, kind, arrays, bearable, changed, anything):
    """Whole files that say or hold what cannot be: ids and lengths of wrong types, lengths that overflow."""
    about = json.loads(json.dumps(ABOUT))
    about = data.draw(st.just(about) | changed(about, anything, st.text(max_size=3)))
    bearable(lambda: read("safetensors", store(kind, about, **arrays)), names="fuzzed.safetensors")
