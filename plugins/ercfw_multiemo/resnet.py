"""The ResNet that describes faces, with weights from a file or with random weights."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import util
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn

from ercfw import missing_library
from ercfw_multiemo.resnet_weights import Style, read_weights

Normalise = Literal["imagenet", "vggface2"]

SEED = 0
IMAGENET = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
"""Mean and standard deviation of red, green and blue on a scale from 0 to 255.

On a scale from 0 to 1 they are 0.485, 0.456, 0.406 and 0.229, 0.224, 0.225.
"""
VGGFACE2 = (131.0912, 103.8827, 91.4953)
"""Mean of red, green and blue on a scale from 0 to 255; no standard deviation is used."""
EXPECTED: dict[Style, Normalise] = {"torch": "imagenet", "caffe": "vggface2"}
"""The normalisation that weights of each style were trained with."""


@dataclass(frozen=True)
class Size:
    """The size of a bottleneck ResNet.

    Attributes:
        stem: channels of the stem.
        widths: output channels of each stage.
        depths: number of blocks of each stage.
    """

    stem: int = 64
    widths: tuple[int, ...] = (256, 512, 1024, 2048)
    depths: tuple[int, ...] = (3, 4, 23, 3)


RESNET101 = Size()


class FaceResNet(nn.Module):
    """A bottleneck ResNet (He et al., 2016) whose output is averaged over the picture.

    Two styles exist. Their weights have the same shapes but do not work in each other's networks. In ``torch`` the
    stride of a stage is in the 3 x 3 convolution of its first block, and the first pooling is padded. In ``caffe`` the
    stride is in the 1 x 1 convolution before it, and the first pooling starts at the border and extends past the
    opposite one.

    Args:
        size: the size of the network.
        style: where the strides are, and how the first pooling is padded; see above.
        normalise: ``imagenet`` takes the mean from RGB and divides by the standard deviation; ``vggface2`` takes the
            mean from BGR.
        classes: number of outputs of the last, linear layer; None = no such layer.

    Raises:
        InputError: transformers is not installed.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(self, size: Size, style: Style, normalise: Normalise, classes: int | None) -> None:
        super().__init__()
        if util.find_spec("transformers") is None:
            raise missing_library("transformers", "faces")
        from transformers import ResNetConfig, ResNetModel

        config = ResNetConfig(
            embedding_size=size.stem,
            hidden_sizes=list(size.widths),
            depths=list(size.depths),
            layer_type="bottleneck",
            downsample_in_bottleneck=style == "caffe",
        )
        self.trunk = ResNetModel(config)
        if style == "caffe":
            self.trunk.embedder.pooler = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.classifier = nn.Identity() if classes is None else nn.Linear(size.widths[-1], classes)
        self.blue_first = normalise == "vggface2"
        mean, deviation = IMAGENET if normalise == "imagenet" else (VGGFACE2, (1.0, 1.0, 1.0))
        self.register_buffer("mean", torch.tensor(mean).reshape(3, 1, 1), persistent=False)  # [3, 1, 1]
        self.register_buffer("deviation", torch.tensor(deviation).reshape(3, 1, 1), persistent=False)  # [3, 1, 1]

    def forward(self, pixels: Tensor) -> Tensor:
        """Return vectors ``[K, D]`` for K square pictures ``[K, 3, S, S]``, RGB from 0 to 255."""
        x = (pixels - self.mean) / self.deviation
        if self.blue_first:
            x = x.flip(1)
        vectors: Tensor = self.classifier(self.trunk(x).pooler_output.flatten(1))
        return vectors


def random_resnet(classes: int | None, size: Size = RESNET101) -> FaceResNet:
    """Return a network with random weights, the same on every call.

    Raises:
        InputError: transformers is not installed.
    """
    network = _apart(lambda: FaceResNet(size, "torch", EXPECTED["torch"], classes))
    for name, weight in network.trunk.named_parameters():
        if name.endswith("layer.2.normalization.weight"):
            # Without this, every block would double the variance, because untrained batch norms do not limit it.
            nn.init.constant_(weight, sum(size.depths) ** -0.5)
    return network.eval()


def load_resnet(
    path: Path,
    classes: int | None,
    style: Style | None = None,
    normalise: Normalise | None = None,
    size: Size = RESNET101,
) -> FaceResNet:
    """Return a network with the weights of a file.

    Args:
        path: a safetensors file or a state dict; see ``read_weights``.
        classes: number of outputs of the last layer; None = leave this layer out.
        style: None = the style of the naming in the file.
        normalise: None = the normalisation that weights of this style were trained with.
        size: the size of the network.

    Raises:
        InputError: the file cannot be read or holds another network, or transformers is not installed.
    """
    file = read_weights(path)
    style = style or file.naming.style
    network = _apart(lambda: FaceResNet(size, style, normalise or EXPECTED[style], classes))
    shapes = {name: tensor.shape for name, tensor in network.trunk.state_dict().items()}
    # Not strict, because the file's batch counters of the batch norms were left out.
    network.trunk.load_state_dict(file.trunk(shapes, size.depths), strict=False)
    if classes is not None:
        weight, bias = file.classifier(size.widths[-1], classes)
        network.classifier.load_state_dict({"weight": weight, "bias": bias})
    return network.eval()


def _apart(make: Callable[[], FaceResNet]) -> FaceResNet:
    """Make a network with a fixed seed, without drawing from the random numbers of the run."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return make()
