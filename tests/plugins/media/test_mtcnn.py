"""The networks of MTCNN, its weights, and the steps between the networks, against loops in float64."""

import importlib.util
import pickle
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch.nn import functional

from ercfw.errors import InputError
from ercfw_media.mtcnn import Mtcnn, non_maximum_suppression, overlaps, patches, squares
from ercfw_media.mtcnn_weights import decompressed, read_arrays

Array = NDArray[np.float64]


@pytest.fixture(scope="module")
def networks() -> Mtcnn:
    pytest.importorskip("lz4")
    if importlib.util.find_spec("mtcnn") is None:
        pytest.skip("the package mtcnn is not installed")
    return Mtcnn().eval()


class Keras:
    """The layers of the package's own networks, from its weights as they are stored (rows, columns, channels)."""

    def __init__(self, name: str) -> None:
        self.arrays = iter(array.astype(np.float64) for array in read_arrays(decompressed(name)))

    def convolution(self, x: Array) -> Array:
        kernel, bias, slope = (next(self.arrays) for _ in range(3))
        return prelu(convolved(x, kernel, bias), slope.reshape(-1))

    def dense(self, x: Array) -> Array:
        return x @ next(self.arrays) + next(self.arrays)


def convolved(x: Array, kernel: Array, bias: Array) -> Array:
    rows, columns, _, filters = kernel.shape
    out = np.empty((x.shape[0] - rows + 1, x.shape[1] - columns + 1, filters))
    for i, j in np.ndindex(out.shape[:2]):
        out[i, j] = np.tensordot(x[i : i + rows, j : j + columns], kernel, 3) + bias
    return out


def prelu(x: Array, slope: Array) -> Array:
    return np.where(x > 0, x, slope * x)


def largest(x: Array, size: int) -> Array:
    """At every second place, beginning in the corner; windows may end outside, as in all pools of these networks."""
    out = np.empty((-(-(x.shape[0] - size) // 2) + 1, -(-(x.shape[1] - size) // 2) + 1, x.shape[2]))
    for i, j in np.ndindex(out.shape[:2]):
        out[i, j] = x[2 * i : 2 * i + size, 2 * j : 2 * j + size].max((0, 1))
    return out


def face(logits: Array) -> Array:
    exponents = np.exp(logits - logits.max(-1, keepdims=True))
    return np.asarray((exponents / exponents.sum(-1, keepdims=True))[..., 1])


def picture(*size: int) -> Array:
    return np.random.default_rng(0).uniform(-1, 1, (*size, 3))


def tensor(x: Array) -> torch.Tensor:
    return torch.from_numpy(x.transpose(2, 0, 1)[None].astype(np.float32))


def test_pnet_is_what_loops_over_the_stored_weights_give(networks: Mtcnn) -> None:
    x, keras = picture(23, 30), Keras("pnet")
    y = keras.convolution(keras.convolution(largest(keras.convolution(x), 2)))
    box = convolved(y, next(keras.arrays), next(keras.arrays))
    wanted = face(convolved(y, next(keras.arrays), next(keras.arrays)))
    with torch.inference_mode():
        offsets, scores = networks.pnet(tensor(x))
    np.testing.assert_allclose(offsets[0].permute(1, 2, 0), box, atol=1e-5)
    np.testing.assert_allclose(scores[0], wanted, atol=1e-5)


def test_rnet_is_what_loops_over_the_stored_weights_give(networks: Mtcnn) -> None:
    x, keras = picture(24, 24), Keras("rnet")
    y = keras.convolution(largest(keras.convolution(largest(keras.convolution(x), 3)), 3))
    hidden = prelu(keras.dense(y.transpose(1, 0, 2).reshape(-1)), next(keras.arrays))
    with torch.inference_mode():
        offsets, scores = networks.rnet(tensor(x))
    np.testing.assert_allclose(offsets[0], keras.dense(hidden), atol=1e-5)
    np.testing.assert_allclose(scores, face(keras.dense(hidden)), atol=1e-5)


def test_onet_is_what_loops_over_the_stored_weights_give(networks: Mtcnn) -> None:
    x, keras = picture(48, 48), Keras("onet")
    y = largest(keras.convolution(largest(keras.convolution(largest(keras.convolution(x), 3)), 3)), 2)
    hidden = prelu(keras.dense(keras.convolution(y).transpose(1, 0, 2).reshape(-1)), next(keras.arrays))
    with torch.inference_mode():
        offsets, landmarks, scores = networks.onet(tensor(x))
    np.testing.assert_allclose(offsets[0], keras.dense(hidden), atol=1e-5)
    np.testing.assert_allclose(landmarks[0], keras.dense(hidden), atol=1e-5)
    np.testing.assert_allclose(scores, face(keras.dense(hidden)), atol=1e-5)


@pytest.mark.parametrize("share_of", ["union", "smaller"])
def test_suppression_is_the_greedy_one_in_each_frame(share_of: str) -> None:
    random = np.random.default_rng(1)
    corner = random.uniform(0, 60, (150, 2))
    boxes = np.concatenate([corner, corner + random.uniform(5, 40, (150, 2))], 1)
    scores, frame = random.permutation(150) / 150, random.integers(0, 3, 150)
    wanted = []
    for number in range(3):
        kept: list[int] = []
        for i in sorted(np.flatnonzero(frame == number), key=lambda i: -scores[i]):
            if all(overlap(boxes[i], boxes[j], share_of) <= 0.4 for j in kept):
                kept.append(int(i))
        wanted += kept
    found = non_maximum_suppression(
        torch.from_numpy(frame),
        torch.from_numpy(boxes),
        torch.from_numpy(scores),
        0.4,
        share_of,  # type: ignore[arg-type]
    )
    assert found.tolist() == wanted


def overlap(a: Array, b: Array, share_of: str) -> float:
    wide, high = (min(a[2 + k], b[2 + k]) - max(a[k], b[k]) for k in (0, 1))
    common = max(wide, 0) * max(high, 0)
    areas = [(c[2] - c[0]) * (c[3] - c[1]) for c in (a, b)]
    return float(common / (sum(areas) - common if share_of == "union" else min(areas)))


def test_a_box_without_area_overlaps_nothing() -> None:
    boxes = torch.tensor([[3.0, 3, 3, 3], [0, 0, 9, 9]])
    assert overlaps(boxes, boxes).tolist() == [[0, 0], [0, 1]]


def test_squares_keep_the_middle_and_the_longer_side() -> None:
    assert squares(torch.tensor([[10.0, 20, 14, 30]])).tolist() == [[7, 20, 17, 30]]


def frames() -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(2).uniform(0, 255, (2, 3, 40, 48)).astype(np.float32))


def test_a_patch_on_whole_pixels_is_the_pixels_themselves() -> None:
    boxes = torch.tensor([[5.0, 7, 17, 19], [0, 0, 12, 12]])
    got = patches(frames(), torch.tensor([1, 0]), boxes, 12, outside="zeros")
    wanted = torch.stack([frames()[1, :, 7:19, 5:17], frames()[0, :, :12, :12]])
    torch.testing.assert_close(got, wanted, atol=1e-3, rtol=0)


def test_a_large_patch_is_the_average_of_its_pixels() -> None:
    got = patches(frames(), torch.tensor([0]), torch.tensor([[8.0, 4, 40, 36]]), 8, outside="zeros")
    wanted = functional.avg_pool2d(frames()[:1, :, 4:36, 8:40], 4)
    torch.testing.assert_close(got, wanted, atol=1e-3, rtol=0)


@pytest.mark.parametrize("outside", ["zeros", "border"])
def test_outside_the_frame(outside: str) -> None:
    box = torch.tensor([[-6.0, -6, 6, 6]])
    got = patches(frames(), torch.tensor([0]), box, 12, outside=outside)  # type: ignore[arg-type]
    mode = "constant" if outside == "zeros" else "replicate"
    wanted = functional.pad(frames()[:1, :, :6, :6], (6, 0, 6, 0), mode=mode)
    torch.testing.assert_close(got, wanted, atol=1e-3, rtol=0)


def test_a_box_turned_inside_out_has_a_patch_too() -> None:
    got = patches(frames(), torch.tensor([0]), torch.tensor([[9.0, 9, 8, 8]]), 12, outside="zeros")
    assert got.isfinite().all()


def test_no_boxes_give_no_patches() -> None:
    assert patches(frames(), torch.zeros(0).long(), torch.zeros(0, 4), 12, outside="zeros").shape == (0, 3, 12, 12)


@pytest.mark.parametrize("size", [(3, 3), (12, 12), (64, 200)])
def test_pictures_without_a_face_or_too_small_for_one(networks: Mtcnn, size: tuple[int, int]) -> None:
    with torch.inference_mode():
        found = networks(torch.full((2, 3, *size), 90.0), 12, (0.6, 0.7, 0.7), 0.709)
    assert found.boxes.shape == (0, 4)
    assert found.landmarks.shape == (0, 5, 2)


def test_a_dump_may_hold_arrays_alone(tmp_path: Path) -> None:
    with pytest.raises(pickle.UnpicklingError, match="not allowed"):
        read_arrays(pickle.dumps([Path.unlink]))
    with pytest.raises(pickle.UnpicklingError, match="not a list of arrays"):
        read_arrays(pickle.dumps([1]))


@pytest.mark.parametrize(("dtype", "order"), [(np.float64, "C"), (np.float32, "F")])
def test_a_dump_of_other_arrays_is_refused(tmp_path: Path, dtype: type, order: str) -> None:
    import joblib

    joblib.dump([np.ones((2, 3), dtype, order=order)], tmp_path / "dump")  # type: ignore[call-overload]
    with pytest.raises(pickle.UnpicklingError, match="float32 in row-major order"):
        read_arrays((tmp_path / "dump").read_bytes())


def test_arrays_come_back_as_joblib_dumped_them(tmp_path: Path) -> None:
    import joblib

    arrays = [np.arange(6, dtype=np.float32).reshape(2, 3), np.float32([7, 8]), np.ones((0, 2), np.float32)]
    joblib.dump(arrays, tmp_path / "dump")
    for got, wanted in zip(read_arrays((tmp_path / "dump").read_bytes()), arrays, strict=True):
        np.testing.assert_array_equal(got, wanted)


def test_weights_that_are_not_the_pinned_ones_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("lz4")
    weights = tmp_path / "assets" / "weights" / "pnet.lz4"
    weights.parent.mkdir(parents=True)
    weights.write_bytes(b"other")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: SimpleNamespace(origin=str(tmp_path / "x.py")))
    with pytest.raises(InputError, match=r"not the file ercfw was tested with .*mtcnn==1\.0\.0"):
        Mtcnn()


@pytest.mark.parametrize("library", ["lz4", "mtcnn"])
def test_a_missing_package_is_reported(library: str, monkeypatch: pytest.MonkeyPatch) -> None:
    here = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == library else here(name))
    with pytest.raises(InputError, match=rf"{library}: is needed but not installed .*ercfw\[faces\]"):
        Mtcnn()
