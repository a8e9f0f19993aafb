"""A tiny ResNet's weights, and files of them."""

from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from ercfw_multiemo.resnet import Size

TINY = Size(stem=4, widths=(8, 16, 24), depths=(2, 1, 3))
CLASSES = 5
Weights = dict[str, Tensor]


def make_weights() -> Weights:
    """Make a tiny ResNet in torchvision's names, its batch norms as if they were trained."""
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


def saved(path: Path, weights: Weights) -> Path:
    if path.suffix == ".safetensors":
        save_file({name: x.contiguous() for name, x in weights.items()}, path)
    else:
        torch.save(weights, path)
    return path
