"""ResNets from weight files: the same numbers in every layout."""

import re
from collections.abc import Callable
from importlib import util

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from ercfw.errors import InputError
from ercfw_multiemo.resnet import load_resnet, random_resnet
from ercfw_multiemo.resnet_weights import NAMINGS, read_weights
from tests.plugins.multiemo.tiny_resnet import CLASSES, TINY, Weights, saved

pytestmark = pytest.mark.skipif(util.find_spec("transformers") is None, reason="transformers is not installed")


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
def test_a_layout_determines_style_and_normalisation(weights, pixels, tmp_path, layout, style, normalise):
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
    names = {who: list(naming.names((3, 4, 23, 3))) for who, naming in NAMINGS.items()}
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


def test_without_transformers(monkeypatch):
    monkeypatch.setattr(util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"transformers: .*pip install 'ercfw\[faces\]'"):
        random_resnet(None, TINY)
