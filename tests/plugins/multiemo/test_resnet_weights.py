"""ResNets from weight files: the same numbers in every layout, and what does not fit is refused."""

import pickle
import re
from collections.abc import Callable
from importlib import util
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from ercfw.errors import InputError
from ercfw_multiemo.resnet import Size, load_resnet, random_resnet
from ercfw_multiemo.resnet_weights import LAYOUTS, read_weights

pytestmark = pytest.mark.skipif(util.find_spec("transformers") is None, reason="transformers is not installed")

TINY = Size(stem=4, widths=(8, 16, 24), depths=(2, 1, 3))
CLASSES = 5
Weights = dict[str, Tensor]


@pytest.fixture(scope="module")
def weights() -> Weights:
    """A tiny ResNet in torchvision's names, its batch norms as if they were trained."""
    draw = torch.Generator().manual_seed(3)
    found: Weights = {}

    def layer(convolution: str, norm: str, given: int, made: int, side: int) -> None:
        found[f"{convolution}.weight"] = torch.randn(made, given, side, side, generator=draw) / (given**0.5 * side)
        for name in ("bias", "running_mean"):
            found[f"{norm}.{name}"] = 0.3 * torch.randn(made, generator=draw)
        for name in ("weight", "running_var"):
            found[f"{norm}.{name}"] = 0.5 + torch.rand(made, generator=draw)
        found[f"{norm}.num_batches_tracked"] = torch.tensor(7)

    layer("conv1", "bn1", 3, TINY.stem, 7)
    given = TINY.stem
    for stage, (wide, depth) in enumerate(zip(TINY.widths, TINY.depths, strict=True), 1):
        for block in range(depth):
            name, inner = f"layer{stage}.{block}", wide // 4
            layer(f"{name}.conv1", f"{name}.bn1", given, inner, 1)
            layer(f"{name}.conv2", f"{name}.bn2", inner, inner, 3)
            layer(f"{name}.conv3", f"{name}.bn3", inner, wide, 1)
            if block == 0:
                layer(f"{name}.downsample.0", f"{name}.downsample.1", given, wide, 1)
            given = wide
    found["fc.weight"] = torch.randn(CLASSES, given, generator=draw)
    found["fc.bias"] = torch.randn(CLASSES, generator=draw)
    return found


@pytest.fixture
def pixels() -> Tensor:
    return torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(4)) * 255


def in_transformers(name: str) -> str:
    name = re.sub(r"^conv1\.", "embedder.embedder.convolution.", name)
    name = re.sub(r"^bn1\.", "embedder.embedder.normalization.", name)
    name = re.sub(r"^layer(\d)\.", lambda m: f"encoder.stages.{int(m[1]) - 1}.layers.", name)
    name = re.sub(r"conv(\d)\.", lambda m: f"layer.{int(m[1]) - 1}.convolution.", name)
    name = re.sub(r"bn(\d)\.", lambda m: f"layer.{int(m[1]) - 1}.normalization.", name)
    name = name.replace("downsample.0", "shortcut.convolution").replace("downsample.1", "shortcut.normalization")
    return name.replace("fc.", "classifier.1.")


def in_caffe(name: str) -> str:
    name = re.sub(r"^conv1\.", "conv1_7x7_s2.", name)
    name = re.sub(r"^bn1\.", "conv1_7x7_s2_bn.", name)
    name = re.sub(r"^layer(\d)\.(\d+)\.", lambda m: f"conv{int(m[1]) + 1}_{int(m[2]) + 1}_", name)
    parts = {"1": "1x1_reduce", "2": "3x3", "3": "1x1_increase"}
    name = re.sub(r"_conv(\d)", lambda m: f"_{parts[m[1]]}", name)
    name = re.sub(r"_bn(\d)", lambda m: f"_{parts[m[1]]}_bn", name)
    name = name.replace("downsample.0", "1x1_proj").replace("downsample.1", "1x1_proj_bn")
    return name.replace("fc.", "classifier.")


WRITTEN: dict[str, Callable[[Weights], Weights]] = {
    "torchvision": lambda w: w,
    "several devices": lambda w: {f"module.{name}": x for name, x in w.items()},
    "transformers": lambda w: {in_transformers(name): x for name, x in w.items()},
    "caffe": lambda w: {in_caffe(name): x[:, :, None, None] if name == "fc.weight" else x for name, x in w.items()},
}


def saved(path: Path, weights: Weights) -> Path:
    if path.suffix == ".safetensors":
        save_file({name: x.contiguous() for name, x in weights.items()}, path)
    else:
        torch.save(weights, path)
    return path


def reference(weights: Weights, pixels: Tensor, style: str, normalise: str) -> tuple[Tensor, Tensor]:
    """The averaged picture and the last layer's numbers, in float64, block after block."""
    w = {name: x.double() for name, x in weights.items()}

    def layer(x: Tensor, convolution: str, norm: str, stride: int = 1) -> Tensor:
        kernel = w[f"{convolution}.weight"]
        x = F.conv2d(x, kernel, stride=stride, padding=kernel.shape[-1] // 2)
        shape = (1, -1, 1, 1)
        mean, variance = w[f"{norm}.running_mean"].view(shape), w[f"{norm}.running_var"].view(shape)
        return (x - mean) / (variance + 1e-5).sqrt() * w[f"{norm}.weight"].view(shape) + w[f"{norm}.bias"].view(shape)

    red, green, blue = pixels.double().unbind(1)
    if normalise == "imagenet":
        x = torch.stack([red / 255 - 0.485, green / 255 - 0.456, blue / 255 - 0.406], 1)
        x = x / torch.tensor([0.229, 0.224, 0.225], dtype=torch.double).view(1, 3, 1, 1)
    else:
        x = torch.stack([blue - 91.4953, green - 103.8827, red - 131.0912], 1)
    x = F.relu(layer(x, "conv1", "bn1", 2))
    x = F.max_pool2d(F.pad(x, (0, 1, 0, 1) if style == "caffe" else (1, 1, 1, 1), value=-torch.inf), 3, 2)
    for stage, depth in enumerate(TINY.depths, 1):
        for block in range(depth):
            name = f"layer{stage}.{block}"
            stride = 2 if stage > 1 and block == 0 else 1
            first, second = (stride, 1) if style == "caffe" else (1, stride)
            y = F.relu(layer(x, f"{name}.conv1", f"{name}.bn1", first))
            y = F.relu(layer(y, f"{name}.conv2", f"{name}.bn2", second))
            y = layer(y, f"{name}.conv3", f"{name}.bn3")
            shortcut = layer(x, f"{name}.downsample.0", f"{name}.downsample.1", stride) if block == 0 else x
            x = F.relu(y + shortcut)
    averaged = x.mean((2, 3))
    return averaged, averaged @ w["fc.weight"].T + w["fc.bias"]


@pytest.mark.parametrize("normalise", ["imagenet", "vggface2"])
@pytest.mark.parametrize("style", ["torch", "caffe"])
@pytest.mark.parametrize("layout", WRITTEN)
def test_the_same_numbers_in_every_layout(weights, pixels, tmp_path, layout, style, normalise):
    path = saved(tmp_path / "resnet.safetensors", WRITTEN[layout](weights))
    averaged, last = reference(weights, pixels, style, normalise)
    for classes, expected in ((None, averaged), (CLASSES, last)):
        network = load_resnet(path, classes, style, normalise, TINY).double()
        torch.testing.assert_close(network(pixels.double()), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("layout", "style", "normalise"),
    [("torchvision", "torch", "imagenet"), ("transformers", "torch", "imagenet"), ("caffe", "caffe", "vggface2")],
)
def test_a_layout_tells_style_and_normalisation(weights, pixels, tmp_path, layout, style, normalise):
    path = saved(tmp_path / "resnet.pth", WRITTEN[layout](weights))
    expected, _ = reference(weights, pixels, style, normalise)
    torch.testing.assert_close(load_resnet(path, None, size=TINY)(pixels).double(), expected, rtol=1e-3, atol=1e-3)
    other, _ = reference(weights, pixels, "caffe" if style == "torch" else "torch", normalise)
    assert (expected - other).abs().max() > 0.1  # so that the styles cannot be mistaken above


def test_against_a_classifier_of_transformers(pixels, tmp_path):
    from transformers import ResNetConfig, ResNetForImageClassification

    torch.manual_seed(1)
    config = ResNetConfig(
        embedding_size=4, hidden_sizes=[8, 16, 24], depths=[2, 1, 3], layer_type="bottleneck", num_labels=CLASSES
    )
    network = ResNetForImageClassification(config).eval()
    path = saved(tmp_path / "pytorch_model.bin", network.state_dict())
    expected = network(pixels / 255).logits
    mine = load_resnet(path, CLASSES, size=TINY)
    scaled = (pixels / 255) * mine.deviation + mine.mean  # its normalisation undone
    torch.testing.assert_close(mine(scaled), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("suffix", ["pt", "pth", "bin", "safetensors"])
def test_kinds_of_files(weights, pixels, tmp_path, suffix):
    halves = {name: x.half() if x.is_floating_point() else x for name, x in weights.items()}
    network = load_resnet(saved(tmp_path / f"resnet.{suffix}", halves), None, size=TINY)
    expected, _ = reference({name: x.float() for name, x in halves.items()}, pixels, "torch", "imagenet")
    torch.testing.assert_close(network(pixels).double(), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("key", ["state_dict", "model"])
def test_a_checkpoint_of_a_training(weights, tmp_path, key):
    path = tmp_path / "checkpoint.pth"
    torch.save({"epoch": 3, key: weights, "note": "best"}, path)
    assert read_weights(path).tensors.keys() == weights.keys()


def test_resnet_101_has_the_tensors_that_it_has(tmp_path):
    network = random_resnet(1000)
    parameters = dict(network.named_parameters())
    assert sum(x.numel() for x in parameters.values()) == 44_549_160  # as torchvision documents it
    names = {who: list(layout.names((3, 4, 23, 3))) for who, layout in LAYOUTS.items()}
    assert {len(set(found)) for found in names.values()} == {104 * 5}
    trunk = {name for name in network.trunk.state_dict() if not name.endswith("num_batches_tracked")}
    assert {*names["transformers"]} == trunk
    assert {"layer3.22.conv3.weight", "layer1.0.downsample.1.running_var"} < {*names["torchvision and timm"]}
    assert {"conv4_23_1x1_increase.weight", "conv5_1_1x1_proj_bn.bias"} < {*names["Caffe's VGGFace2 networks"]}


def test_random_weights_are_always_the_same_and_of_a_moderate_size(weights, pixels, tmp_path):
    before = torch.get_rng_state()
    first = random_resnet(CLASSES, TINY)
    path = saved(tmp_path / "resnet.pth", weights)
    load_resnet(path, CLASSES, size=TINY)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(99)
    assert torch.equal(random_resnet(CLASSES, TINY)(pixels), first(pixels))
    assert 0.01 < first(pixels).std() < 10


def test_faces_do_not_know_each_other(weights, pixels, tmp_path):
    network = load_resnet(saved(tmp_path / "resnet.pth", weights), CLASSES, size=TINY)
    alone = torch.cat([network(face[None]) for face in pixels])
    torch.testing.assert_close(network(pixels), alone, rtol=1e-4, atol=1e-5)


MISFITS: dict[str, tuple[Callable[[Weights], object], str]] = {
    "missing": (
        lambda w: {name: x for name, x in w.items() if not name.startswith("layer2.0.conv")},
        r"another network; tensors: 3 missing \(layer2.0.conv1.weight, layer2.0.conv2.weight, ",
    ),
    "left over": (
        lambda w: w | {f"layer4.{n}.weight": torch.zeros(2) for n in range(4)},
        r"tensors: 4 unexpected \(layer4.0.weight, layer4.1.weight, layer4.2.weight, \.\.\.\)",
    ),
    "shape": (
        lambda w: w | {"conv1.weight": torch.zeros(4, 1, 7, 7)},
        r"1 of another shape \(conv1.weight \[4, 1, 7, 7\] instead of \[4, 3, 7, 7\]\)",
    ),
    "no ResNet": (
        lambda w: {"blocks.0.weight": torch.zeros(2)},
        r"its first tensors are blocks.0.weight \(give a ResNet ",
    ),
    "not finite": (lambda w: w | {"bn1.bias": torch.full((4,), torch.nan)}, "bn1.bias has values that are not finite"),
    "no last layer": (
        lambda w: {name: x for name, x in w.items() if not name.startswith("fc")},
        r"has no last layer with 5 outputs \(set gives = 24 to",
    ),
    "identities": (
        lambda w: w | {"fc.weight": torch.zeros(9, 24), "fc.bias": torch.zeros(9)},
        r"its last layer has 9 outputs, not 5 \(set gives = 24 to",
    ),
    "no tensors": (lambda w: {"conv1.weight": 3}, "is not a file of weights"),
    "a list": (lambda w: [*w.values()], "is not a file of weights"),
    "empty": (lambda w: {}, "is not a file of weights"),
}


@pytest.mark.parametrize("misfit", MISFITS)
def test_what_does_not_fit_is_told(weights, tmp_path, misfit):
    change, message = MISFITS[misfit]
    path = tmp_path / "resnet.pth"
    torch.save(change(weights), path)
    with pytest.raises(InputError, match=message) as error:
        load_resnet(path, CLASSES, size=TINY)
    assert str(error.value).startswith(f"{path}: ")
    assert len(error.value.mistakes) == 1


def test_a_last_layer_that_is_not_wanted_may_be_any(weights, pixels, tmp_path):
    change, _ = MISFITS["identities"]
    path = saved(tmp_path / "resnet.pth", change(weights))
    assert load_resnet(path, None, size=TINY)(pixels).shape == (2, 24)


class Trap:
    """A pickle that makes a file when it is opened."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., None], tuple[Path]]:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("write", [torch.save, lambda what, path: path.write_bytes(pickle.dumps(what))])
def test_a_pickle_that_runs_code_is_refused_and_nothing_ran(weights, tmp_path, write):
    path, sprung = tmp_path / "resnet.pth", tmp_path / "sprung"
    write({**weights, "trap": Trap(sprung)}, path)
    with pytest.raises(InputError, match=r"resnet\.pth: holds more than tensors or is damaged; it was not read"):
        read_weights(path)
    assert not sprung.exists()
    pickle.loads(pickle.dumps(Trap(sprung)))
    assert sprung.exists()  # the trap is one


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
@pytest.mark.parametrize("cut", [0, 1, 100, 5000])
def test_a_file_that_was_cut_off(weights, tmp_path, suffix, cut):
    path = saved(tmp_path / f"resnet.{suffix}", weights)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match="damaged"):
        read_weights(path)


@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_something_else(tmp_path, suffix):
    path = tmp_path / f"resnet.{suffix}"
    path.write_text("<html>not found</html>")
    with pytest.raises(InputError, match="damaged"):
        read_weights(path)
    path.unlink()
    with pytest.raises(InputError, match="there is no such file"):
        read_weights(path)


def test_without_transformers(monkeypatch):
    monkeypatch.setattr(util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"transformers: .*pip install 'ercfw\[faces\]'"):
        random_resnet(None, TINY)
