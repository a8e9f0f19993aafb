"""dlib's ResNet with made-up weights against loops in float64, and the crops it reads."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from ercfw_media.face_identity_network import (
    BLOCKS,
    MEAN,
    SIDE,
    FaceIdentityNet,
    Residual,
    ScaledConvolution,
    aligned_crops,
)
from ercfw_media.faces import Face

Array = NDArray[np.float64]
CHANNELS = {"32": 2, "64": 3, "128": 4, "256": 5}
"""Channels of the made-up network, by the real number in the name of a block."""


def made(shape: tuple[int, ...], seed: int) -> Tensor:
    values = np.random.default_rng(seed).normal(size=shape) / np.sqrt(np.prod(shape[:-1]) or 1)
    return torch.from_numpy(values.astype(np.float32))


def convolution(name: str, channels: int, filters: int, size: int, seed: int) -> Iterator[tuple[str, Tensor]]:
    yield f"{name}/conv/filters", made((size, size, channels, filters), seed)
    yield f"{name}/conv/bias", made((filters,), seed + 1)
    yield f"{name}/scale/weights", 1 + made((filters,), seed + 2)
    yield f"{name}/scale/biases", made((filters,), seed + 3)


@pytest.fixture(scope="module")
def weights() -> Mapping[str, Tensor]:
    tensors = dict(convolution("conv32_down", 3, 2, 7, 0))
    wide = 2
    for number, name in enumerate(BLOCKS):
        filters = CHANNELS[name.split("_")[0].removeprefix("conv")]
        tensors |= dict(convolution(f"{name}/conv1", wide, filters, 3, 100 * number + 10))
        tensors |= dict(convolution(f"{name}/conv2", filters, filters, 3, 100 * number + 20))
        wide = filters
    return tensors | {"fc": made((wide, 6), 5)}


def loops(x: Array, weights: Mapping[str, Tensor], name: str, stride: int, padding: int) -> Array:
    """A convolution and its scale, value by value: ``[h, w, in] -> [h, w, out]``."""
    filters, bias, scale, shift = (
        weights[f"{name}/{part}"].double().numpy()
        for part in ("conv/filters", "conv/bias", "scale/weights", "scale/biases")
    )
    x = np.pad(x, ((padding, padding), (padding, padding), (0, 0)))
    size = len(filters)
    rows, columns = ((n - size) // stride + 1 for n in x.shape[:2])
    out = np.zeros((rows, columns, filters.shape[3]))
    for i in range(rows):
        for j in range(columns):
            window = x[i * stride : i * stride + size, j * stride : j * stride + size]
            out[i, j] = np.tensordot(window, filters, 3)
    return np.asarray((out + bias) * scale + shift)


def windows(x: Array, size: int, how: Callable[[Array, tuple[int, int]], Array]) -> Array:
    """Pooling of stride 2 without padding."""
    rows, columns = ((n - size) // 2 + 1 for n in x.shape[:2])
    return np.array(
        [[how(x[2 * i : 2 * i + size, 2 * j : 2 * j + size], (0, 1)) for j in range(columns)] for i in range(rows)]
    )


def residual(x: Array, weights: Mapping[str, Tensor], name: str) -> Array:
    halves = "down" in name
    deep = np.maximum(loops(x, weights, f"{name}/conv1", 2 if halves else 1, 0 if halves else 1), 0)
    deep = loops(deep, weights, f"{name}/conv2", 1, 1)
    short = windows(x, 2, np.mean) if halves else x
    out = np.zeros(tuple(max(sizes) for sizes in zip(deep.shape, short.shape, strict=True)))
    for part in (deep, short):
        out[: part.shape[0], : part.shape[1], : part.shape[2]] += part
    return np.maximum(out, 0)


def of_torch(module: torch.nn.Module, x: Array) -> Array:
    with torch.inference_mode():
        seen = module(torch.from_numpy(x.transpose(2, 0, 1)[None]).float())[0]
    return np.asarray(seen.permute(1, 2, 0).double().numpy())


@pytest.mark.parametrize(("name", "size"), [("conv32_1", 5), ("conv64_down", 9), ("conv256_down", 8), ("conv128_1", 3)])
def test_a_block_is_what_loops_give(weights: Mapping[str, Tensor], name: str, size: int) -> None:
    channels = weights[f"{name}/conv1/conv/filters"].shape[2]
    x = np.random.default_rng(size).normal(size=(size, size, channels))
    np.testing.assert_allclose(of_torch(Residual(weights, name), x), residual(x, weights, name), atol=1e-5)


def test_the_stem_is_what_loops_give(weights: Mapping[str, Tensor]) -> None:
    x = np.random.default_rng(0).normal(size=(15, 15, 3))
    got = of_torch(ScaledConvolution(weights, "conv32_down", 2, 0), x)
    np.testing.assert_allclose(got, loops(x, weights, "conv32_down", 2, 0), atol=1e-5)


def test_the_network_is_what_loops_give(weights: Mapping[str, Tensor]) -> None:
    picture = np.random.default_rng(1).uniform(0, 255, (SIDE, SIDE, 3))
    x = (picture - np.array(MEAN)) / 256
    x = windows(np.maximum(loops(x, weights, "conv32_down", 2, 0), 0), 3, np.max)
    assert x.shape == (35, 35, 2)
    for name in BLOCKS:
        x = residual(x, weights, name)
    expected = x.mean((0, 1)) @ weights["fc"].double().numpy()
    with torch.inference_mode():
        got = FaceIdentityNet(weights)(torch.from_numpy(picture.transpose(2, 0, 1)[None]).float())[0]
    np.testing.assert_allclose(got, expected, rtol=1e-5)
    assert np.abs(expected).max() > 1e-2


def test_eyes_and_mouth_come_to_lie_where_the_network_expects_them() -> None:
    ramp = np.zeros((240, 320, 3), np.uint8)
    ramp[..., 0], ramp[..., 1] = np.arange(320)[None] // 2, np.arange(240)[:, None]
    landmarks = np.array([[140, 90], [180, 90], [160, 110], [145, 130], [175, 130]], np.float32)
    got = aligned_crops(ramp, [Face((0, 0, 1, 1), 0.9, landmarks)])[0].double().numpy()
    side = np.hypot(20, 40) / 0.45  # from each eye to the middle of the mouth at (160, 130)
    left, top = 160 - 0.5 * side, (90 + 90 + 130) / 3 - 0.43 * side
    centres = (np.arange(SIDE) + 0.5) / SIDE * side - 0.5
    np.testing.assert_allclose(got[0, 75], (left + centres) / 2, atol=0.6)  # halves of whole numbers were rounded down
    np.testing.assert_allclose(got[1, :, 75], top + centres, atol=0.1)


def test_no_face_is_no_crop() -> None:
    assert aligned_crops(np.zeros((9, 9, 3), np.uint8), []).shape == (0, 3, SIDE, SIDE)
