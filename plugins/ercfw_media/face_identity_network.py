"""dlib's ResNet, which maps a face to 128 numbers that are close for the same person (King, 2017).

Shapes: K faces, crops of S = 150 pixels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from ercfw_media.face_api_package import read_face_api
from ercfw_media.faces import Face, Frame, stacked
from ercfw_media.mtcnn import patches
from ercfw_media.tfjs_weights import transposed

SIDE, WIDTH = 150, 128
AT_ONCE = 16
"""Number of faces that the network reads at once."""
MEAN = (122.782, 117.001, 104.298)
"""Mean of red, green and blue on a scale from 0 to 255."""
SCALE = 256
"""What dlib divides by; face-api divides by 255."""
BLOCKS = (
    *("conv32_1", "conv32_2", "conv32_3"),
    *("conv64_down", "conv64_1", "conv64_2", "conv64_3"),
    *("conv128_down", "conv128_1", "conv128_2"),
    *("conv256_down", "conv256_1", "conv256_2", "conv256_down_out"),
)
"""The residual blocks in order, by their names in the file; those with ``down`` halve the picture."""
EYES_TO_MOUTH, CENTRE = 0.45, (0.5, 0.43)
"""The distance from eyes to mouth as a share of a crop's side, and the place of their middle in it."""


class ScaledConvolution(nn.Module):
    """A convolution, and a scale and bias per channel, to which dlib reduces a trained batch norm."""

    def __init__(self, tensors: Mapping[str, Tensor], name: str, stride: int, padding: int) -> None:
        super().__init__()
        scale = tensors[f"{name}/scale/weights"]  # [out]
        weight = transposed(tensors, f"{name}/conv/filters")  # [out, in, H, W]
        self.register_buffer("weight", weight * scale[:, None, None, None])
        self.register_buffer("bias", tensors[f"{name}/conv/bias"] * scale + tensors[f"{name}/scale/biases"])
        self.stride, self.padding = stride, padding

    weight: Tensor
    bias: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[K, in, h, w] -> [K, out, h', w']``."""
        return functional.conv2d(x, self.weight, self.bias, self.stride, self.padding)


class Residual(nn.Module):
    """Two convolutions and a shortcut without weights; the smaller of both sums is filled with zeros."""

    def __init__(self, tensors: Mapping[str, Tensor], name: str) -> None:
        super().__init__()
        self.halves = "down" in name
        stride, padding = (2, 0) if self.halves else (1, 1)
        self.first = ScaledConvolution(tensors, f"{name}/conv1", stride, padding)
        self.second = ScaledConvolution(tensors, f"{name}/conv2", 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[K, in, h, w] -> [K, out, h, w]``; a block that halves rounds h and w down."""
        deep: Tensor = self.second(self.first(x).relu())
        if not self.halves:
            return (deep + x).relu()
        short = functional.avg_pool2d(x, 2)
        # An unpadded convolution gives a row and a column less than pooling, where the picture has an even side.
        deep = functional.pad(deep, (0, short.shape[3] - deep.shape[3], 0, short.shape[2] - deep.shape[2]))
        short = functional.pad(short, (0, 0, 0, 0, 0, deep.shape[1] - short.shape[1]))
        return (deep + short).relu()


class FaceIdentityNet(nn.Module):
    """The network, with 29 convolutions.

    Args:
        tensors: the weights by their names in the file, in TensorFlow's layout.
    """

    mean: Tensor
    last: Tensor

    def __init__(self, tensors: Mapping[str, Tensor]) -> None:
        super().__init__()
        self.stem = ScaledConvolution(tensors, "conv32_down", 2, 0)
        self.blocks = nn.Sequential(*(Residual(tensors, name) for name in BLOCKS))
        self.register_buffer("mean", torch.tensor(MEAN)[:, None, None])  # [3, 1, 1]
        self.register_buffer("last", tensors["fc"])  # [256, 128]

    def forward(self, pixels: Tensor) -> Tensor:
        """Return vectors ``[K, 128]`` for faces ``[K, 3, S, S]``, RGB from 0 to 255."""
        x = ((pixels - self.mean) / SCALE).to(memory_format=torch.channels_last)
        x = functional.max_pool2d(self.stem(x).relu(), 3, 2)
        vectors: Tensor = self.blocks(x).mean((2, 3)) @ self.last
        return vectors


@torch.inference_mode()
def aligned_crops(frame: Frame, faces: Sequence[Face]) -> Tensor:
    """Cut faces out of a frame with eyes and mouth in the places that the network knows: ``[K, 3, S, S]``, 0 to 255.

    The crop is moved and scaled, but not turned, as face-api does it. Beyond the border of the frame, its last pixels
    are repeated.
    """
    landmarks = torch.tensor([face.landmarks.tolist() for face in faces]).reshape(-1, 5, 2)  # [K, 5, 2]
    eyes, mouth = landmarks[:, :2], landmarks[:, 3:].mean(1, keepdim=True)  # [K, 2, 2], [K, 1, 2]
    side = (eyes - mouth).norm(dim=-1).mean(1, keepdim=True) / EYES_TO_MOUTH  # [K, 1]
    middle = torch.cat([eyes, mouth], 1).mean(1)  # [K, 2]
    corner = middle - side * torch.tensor(CENTRE)  # [K, 2]
    boxes = torch.cat([corner, corner + side], 1)  # [K, 4]
    return patches(stacked([frame]).float(), torch.zeros(len(faces)).long(), boxes, SIDE, outside="border")


@dataclass(frozen=True)
class IdentityVectors:
    """Computes the identity vectors of faces, on the GPU if there is one.

    Attributes:
        package: the archive or folder that holds the weights.
    """

    package: Path

    def load(self) -> None:
        """Load the network, so that wrong weights are reported before a clip is read.

        Raises:
            InputError: the weights are not the pinned ones.
        """
        _ = self._network

    @torch.inference_mode()
    def __call__(self, pictures: Sequence[Frame], faces: Sequence[Sequence[Face]]) -> list[NDArray[np.float32]]:
        """Return the vectors ``[K, 128]`` of the faces of each picture.

        Raises:
            InputError: the weights are not the pinned ones.
        """
        pixels = [aligned_crops(*both) for both in zip(pictures, faces, strict=True)]
        vectors = [
            self._network(some.to(self._device)).cpu()
            for some in torch.split(torch.cat([torch.zeros(0, 3, SIDE, SIDE), *pixels]), AT_ONCE)
        ]
        return [some.numpy() for some in torch.split(torch.cat(vectors), [len(here) for here in faces])]

    @cached_property
    def _device(self) -> torch.device:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")

    @cached_property
    def _network(self) -> FaceIdentityNet:
        return FaceIdentityNet(read_face_api(self.package)).eval().to(self._device)
