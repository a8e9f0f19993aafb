"""Weight files of a bottleneck ResNet, by any of the common names of its layers."""

import pickle
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from ercfw import InputError, did_you_mean, is_file

Style = Literal["torch", "caffe"]
Layer = tuple[str, str]
"""The names of a convolution and of the batch norm after it."""

CONVOLUTION, NORM = ("weight",), ("weight", "bias", "running_mean", "running_var")
NESTED = ("state_dict", "model")
"""Keys under which a training checkpoint may keep the weights."""
FIRST = 3
"""How many names of each kind a message lists."""


@dataclass(frozen=True)
class Naming:
    """Names that a library gives to the layers of a ResNet.

    Attributes:
        style: the style of networks with these names; see ``FaceResNet``.
        stem: names of the first layer.
        block: prefix of the layers of a block, with places for the numbers of the stage and of the block.
        first: number of the first stage, and number of the first block of a stage.
        layers: names of the layers of a block.
        shortcut: names of the shortcut beside the first block of a stage.
        classifier: name of the last, linear layer; a file may lack this layer.
    """

    style: Style
    stem: Layer
    block: str
    first: tuple[int, int]
    layers: tuple[Layer, Layer, Layer]
    shortcut: Layer
    classifier: str

    def names(self, depths: Sequence[int]) -> Iterator[str]:
        """Yield the names of all tensors but the last layer's, in the same order for every library.

        ``depths`` gives the number of blocks of each stage.
        """
        for convolution, norm in self._layers(depths):
            yield from (f"{convolution}.{name}" for name in CONVOLUTION)
            yield from (f"{norm}.{name}" for name in NORM)

    def _layers(self, depths: Sequence[int]) -> Iterator[Layer]:
        yield self.stem
        for stage, depth in enumerate(depths, self.first[0]):
            for block in range(self.first[1], self.first[1] + depth):
                here = self.block.format(stage, block)
                shortcut = [self.shortcut] if block == self.first[1] else []
                yield from ((here + convolution, here + norm) for convolution, norm in [*self.layers, *shortcut])


TRANSFORMERS = Naming(
    style="torch",
    stem=("embedder.embedder.convolution", "embedder.embedder.normalization"),
    block="encoder.stages.{}.layers.{}.",
    first=(0, 0),
    layers=(
        ("layer.0.convolution", "layer.0.normalization"),
        ("layer.1.convolution", "layer.1.normalization"),
        ("layer.2.convolution", "layer.2.normalization"),
    ),
    shortcut=("shortcut.convolution", "shortcut.normalization"),
    classifier="classifier.1",
)
NAMINGS = {
    "torchvision and timm": Naming(
        style="torch",
        stem=("conv1", "bn1"),
        block="layer{}.{}.",
        first=(1, 0),
        layers=(("conv1", "bn1"), ("conv2", "bn2"), ("conv3", "bn3")),
        shortcut=("downsample.0", "downsample.1"),
        classifier="fc",
    ),
    "transformers": TRANSFORMERS,
    "Caffe's VGGFace2 networks": Naming(
        style="caffe",
        stem=("conv1_7x7_s2", "conv1_7x7_s2_bn"),
        block="conv{}_{}_",
        first=(2, 1),
        layers=(
            ("1x1_reduce", "1x1_reduce_bn"),
            ("3x3", "3x3_bn"),
            ("1x1_increase", "1x1_increase_bn"),
        ),
        shortcut=("1x1_proj", "1x1_proj_bn"),
        classifier="classifier",
    ),
}
"""Names of the layers, by the library that uses them."""


@dataclass(frozen=True)
class WeightFile:
    """Tensors of a file by their names in it, and the naming that these names follow."""

    path: Path
    tensors: Mapping[str, Tensor]
    naming: Naming

    def trunk(self, shapes: Mapping[str, torch.Size], depths: Sequence[int]) -> dict[str, Tensor]:
        """Return all tensors but the last layer's, in float32, by the names of transformers' ResNetModel.

        Args:
            shapes: the expected shape of each tensor.
            depths: number of blocks of each stage.

        Raises:
            InputError: a tensor is missing, unexpected or of another shape, or has values that are not finite.
        """
        names = dict(zip(TRANSFORMERS.names(depths), self.naming.names(depths), strict=True))
        # The batch counters of the batch norms are needed only to train further.
        there = {name for name in self.tensors if not name.endswith("num_batches_tracked")}
        there -= {f"{self.naming.classifier}.{name}" for name in ("weight", "bias")}
        missing = [name for name in names.values() if name not in there]
        unlike = [
            f"{name} {list(self.tensors[name].shape)} instead of {list(shapes[ours])}"
            for ours, name in names.items()
            if name in there and self.tensors[name].shape != shapes[ours]
        ]
        wrong = {"missing": missing, "unexpected": sorted(there - {*names.values()}), "of another shape": unlike}
        if any(wrong.values()):
            what = "; ".join(f"{len(names)} {how} ({_first(names)})" for how, names in wrong.items() if names)
            hint = f"give the weights of a ResNet whose stages have {', '.join(map(str, depths))} blocks"
            raise InputError.at(self.path, f"is a weight file of another network; tensors: {what}", hint)
        return {ours: self._finite(name) for ours, name in names.items()}

    def classifier(self, wide: int, classes: int) -> tuple[Tensor, Tensor]:
        """Return the weight ``[classes, wide]`` and the bias ``[classes]`` of the last layer.

        Raises:
            InputError: there is no last layer, or it has another number of outputs.
        """
        names = [f"{self.naming.classifier}.{name}" for name in ("weight", "bias")]
        hint = f"set gives = {wide} to use the features before the last layer"
        if not all(name in self.tensors for name in names):
            raise InputError.at(self.path, f"has no last layer with {classes} outputs", hint)
        weight, bias = (self._finite(name) for name in names)
        weight = weight.flatten(1)  # [classes, wide]; files converted from Caffe hold a convolution
        if weight.shape != (classes, wide) or bias.shape != (classes,):
            raise InputError.at(self.path, f"its last layer has {len(weight)} outputs, not {classes}", hint)
        return weight, bias

    def _finite(self, name: str) -> Tensor:
        tensor = self.tensors[name].float()
        if not tensor.isfinite().all():
            raise InputError.at(
                self.path, f"{name} has values that are not finite", "download the file again, or give another one"
            )
        return tensor


def read_weights(path: Path) -> WeightFile:
    """Read safetensors, or the pickle of a state dict written by torch.save, without running any code in it.

    The weights may be nested under ``state_dict`` or ``model``. Their names may begin with ``module.``, as after
    training on several devices, or with ``resnet.``, as in a transformers model with a classifier.

    Raises:
        InputError: the file is missing or damaged, holds anything but tensors, or uses unknown names.
    """
    if not is_file(path):
        others = [file.name for file in path.parent.iterdir()] if path.parent.is_dir() else []
        raise InputError.at(path, "there is no such file", did_you_mean(path.name, others))
    read = _safetensors(path) if path.suffix == ".safetensors" else _pickle(path)
    nested = next((read[key] for key in NESTED if isinstance(read, dict) and isinstance(read.get(key), dict)), read)
    if not isinstance(nested, dict) or not nested or not all(isinstance(x, Tensor) for x in nested.values()):
        raise InputError.at(path, "is not a file of weights", "give a state dict, that is tensors by name")
    tensors = {str(name).removeprefix("module.").removeprefix("resnet."): x for name, x in nested.items()}
    naming = next((x for x in NAMINGS.values() if f"{x.stem[0]}.weight" in tensors), None)
    if naming is None:
        what = f"is a weight file of another network: its first tensors are {_first(tensors)}"
        raise InputError.at(path, what, f"give a ResNet with the names of {', '.join(NAMINGS)}")
    return WeightFile(path, tensors, naming)


def _safetensors(path: Path) -> Any:
    try:
        return load_file(path)
    except (OSError, SafetensorError) as error:
        raise InputError.at(path, f"is damaged or is not a safetensors file: {error}", "download it again") from error


def _pickle(path: Path) -> Any:
    try:
        with warnings.catch_warnings(action="ignore"):  # torch warns of pickles that it then refuses
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        what = "holds more than tensors or is damaged; it was not read further, because a pickle can run code"
        raise InputError.at(path, what, "save its state dict as safetensors") from error
    except Exception as error:  # of any type: damaged bytes can make the reader fail in many ways
        raise InputError.at(path, "is damaged or was not written by torch.save", "download it again") from error


def _first(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join([*listed[:FIRST], *(["..."] if len(listed) > FIRST else [])])
