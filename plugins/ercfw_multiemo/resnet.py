"""The ResNet that describes faces, with a user's weights or with random ones."""

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
"""Mean and deviation of red, green and blue, of 0 to 255 (0.485, 0.456, 0.406 and 0.229, 0.224, 0.225 of 1)."""
VGGFACE2 = (131.0912, 103.8827, 91.4953)
"""Mean of red, green and blue, of 0 to 255; there is no deviation."""
EXPECTED: dict[Style, Normalise] = {"torch": "imagenet", "caffe": "vggface2"}
"""What the weights of each style were trained on."""


@dataclass(frozen=True)
class Size:
    """The size of a bottleneck ResNet: channels of the stem and of each stage's output, blocks of each stage."""

    stem: int = 64
    widths: tuple[int, ...] = (256, 512, 1024, 2048)
    depths: tuple[int, ...] = (3, 4, 23, 3)


RESNET101 = Size()


class FaceResNet(nn.Module):
    """A bottleneck ResNet (He et al., 2016), averaged over the picture.

    Two styles are about, whose weights do not fit each other although their shapes do. In ``torch`` the 3 x 3
    convolution of a stage's first block has the stride, and the first pooling is padded; in ``caffe`` the
    1 x 1 convolution before it has it, and the pooling starts at the border and looks over the far one.

    Args:
        size: how large it is.
        style: see above.
        normalise: ``imagenet`` expects RGB less a mean and over a deviation, ``vggface2`` BGR less a mean.
        classes: numbers of the last, linear layer; None = there is none.

    Raises:
        InputError: transformers is missing.
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
        """``[K, 3, S, S]``, RGB of 0 to 255 -> ``[K, D]``."""
        x = (pixels - self.mean) / self.deviation
        if self.blue_first:
            x = x.flip(1)
        vectors: Tensor = self.classifier(self.trunk(x).pooler_output.flatten(1))
        return vectors


def random_resnet(classes: int | None, size: Size = RESNET101) -> FaceResNet:
    """Random weights, the same each time.

    Raises:
        InputError: transformers is missing.
    """
    network = _apart(lambda: FaceResNet(size, "torch", EXPECTED["torch"], classes))
    for name, weight in network.trunk.named_parameters():
        if name.endswith("layer.2.normalization.weight"):
            # Else every block would double the variance, for batch norms that were never trained do not restrain it.
            nn.init.constant_(weight, sum(size.depths) ** -0.5)
    return network.eval()


def load_resnet(
    path: Path,
    classes: int | None,
    style: Style | None = None,
    normalise: Normalise | None = None,
    size: Size = RESNET101,
) -> FaceResNet:
    """A network with the weights of a file.

    Args:
        path: safetensors or a state dict; see ``read_weights``.
        classes: numbers of the last layer; None = leave it out.
        style: None = that of the file's layout.
        normalise: None = what the style's weights were trained on.
        size: how large it is.

    Raises:
        InputError: the file cannot be read or is of another network, or transformers is missing.
    """
    file = read_weights(path)
    style = style or file.layout.style
    network = _apart(lambda: FaceResNet(size, style, normalise or EXPECTED[style], classes))
    shapes = {name: tensor.shape for name, tensor in network.trunk.state_dict().items()}
    # Only the counts of batches are not given.
    network.trunk.load_state_dict(file.trunk(shapes, size.depths), strict=False)
    if classes is not None:
        weight, bias = file.classifier(size.widths[-1], classes)
        network.classifier.load_state_dict({"weight": weight, "bias": bias})
    return network.eval()


def _apart(make: Callable[[], FaceResNet]) -> FaceResNet:
    """A network that is always initialised alike, and takes nothing from the random numbers of a run."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(SEED)
        return make()
