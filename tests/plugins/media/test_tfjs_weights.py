"""Manifests and shards of TensorFlow.js, written by hand."""

import json
from typing import Any

import numpy as np
import pytest

from ercfw.errors import InputError
from ercfw_media.tfjs_weights import read_tfjs, transposed

QUANTISED = {"dtype": "uint8", "scale": 0.5, "min": -3.0}


def weight(name: str, shape: list[int], dtype: str = "float32", **more: Any) -> dict[str, Any]:
    return {"name": name, "shape": shape, "dtype": dtype, **more}


def manifest(*groups: tuple[list[str], list[dict[str, Any]]]) -> bytes:
    return json.dumps([{"paths": paths, "weights": weights} for paths, weights in groups]).encode()


def test_tensors_follow_one_another_over_shards_and_begin_again_in_each_group() -> None:
    plain, last = np.arange(6, dtype="<f4").reshape(2, 3) / 7, np.array([5, -6], "<f4")
    first = plain.tobytes() + bytes([0, 1, 255]) + np.array([65535], "<u2").tobytes()
    shards = {"a": first[:13], "b": first[13:], "c": last.tobytes()}
    listed = manifest(
        (
            ["a", "b"],
            [
                weight("plain", [2, 3]),
                weight("small", [3, 1], quantization=QUANTISED),
                weight("wide", [], quantization={"dtype": "uint16", "scale": 1e-3, "min": 0.1}),
            ],
        ),
        (["c"], [weight("last", [2]), weight("none", [0, 4])]),
    )
    read = read_tfjs(listed, shards.__getitem__, "made")
    np.testing.assert_array_equal(read["plain"], plain)
    assert read["small"].tolist() == [[-3.0], [-2.5], [124.5]]
    assert read["wide"].item() == np.float32(65535 * 1e-3 + 0.1)
    assert read["last"].tolist() == [5, -6]
    assert read["none"].shape == (0, 4)
    assert {str(values.dtype) for values in read.values()} == {"torch.float32"}


def test_a_convolution_is_laid_out_as_torch_expects() -> None:
    stored = np.arange(2 * 3 * 4 * 5, dtype="<f4").reshape(2, 3, 4, 5)
    read = read_tfjs(manifest((["a"], [weight("w", [2, 3, 4, 5])])), lambda _: stored.tobytes(), "made")
    ours = transposed(read, "w")
    assert ours.shape == (5, 4, 2, 3)
    assert ours[1, 2, 0, 1] == stored[0, 1, 2, 1]


@pytest.mark.parametrize("length", [11, 13, 0])
def test_shards_of_another_length_are_refused(length: int) -> None:
    listed = manifest((["a.bin"], [weight("w", [3])]))
    with pytest.raises(InputError, match=rf"made: a\.bin: holds {length} bytes, but the manifest lists 12"):
        read_tfjs(listed, lambda _: bytes(length), "made")


WHOLE = manifest((["a"], [weight("w", [3], quantization=QUANTISED)]))


@pytest.mark.parametrize(
    "content",
    [
        *(WHOLE[:end] for end in (0, 1, 20, len(WHOLE) - 1)),
        b"\xff\xfe",
        b"{}",
        b"[1]",
        b"[" * 100_000,
        manifest((["a"], [weight("w", [-1])])),
        manifest((["a"], [weight("w", [3], quantization={"dtype": "uint8"})])),
        manifest((["a"], [weight("w", [3], quantization=QUANTISED | {"scale": float("nan")})])),
    ],
)
def test_what_is_no_manifest_is_refused(content: bytes) -> None:
    with pytest.raises(InputError, match=r"made: is not a manifest of TensorFlow\.js: .*get the file again"):
        read_tfjs(content, lambda _: bytes(3), "made")


@pytest.mark.parametrize(
    "unknown",
    [weight("w", [3], "complex64"), weight("w", [3], quantization=QUANTISED | {"dtype": "float16"})],
)
def test_unknown_types_are_named_with_the_known_ones(unknown: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=r"0\.weights\.0\..*dtype: Input should be '(float32|uint8' or 'uint16)'"):
        read_tfjs(manifest((["a"], [unknown])), lambda _: bytes(12), "made")


def test_a_size_beyond_all_memory_is_only_a_wrong_length() -> None:
    listed = manifest((["a"], [weight("w", [10**9, 10**9, 10**9])]))
    with pytest.raises(InputError, match="holds 3 bytes, but the manifest lists 4000"):
        read_tfjs(listed, lambda _: bytes(3), "made")
