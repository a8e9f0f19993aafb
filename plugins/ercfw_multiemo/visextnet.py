"""VisExtNet: the visual features of MultiEMO, made from faces alone."""

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from importlib import util
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from ercfw import Clip, InputError, Size, is_file, missing_library, sha256
from ercfw_media import (
    Face,
    FaceCrops,
    FaceDetector,
    FaceExtractor,
    FaceReader,
    Follow,
    Frame,
    Pool,
    cut_out,
    face_crops,
    identity_of_speakers,
    installed,
    pool,
)
from ercfw_multiemo.resnet import RESNET101, SEED, FaceResNet, Normalise, load_resnet, random_resnet
from ercfw_multiemo.resnet_weights import Style

SIDE = 224
"""Side in pixels of the face pictures that the network reads."""
AT_ONCE = 16
"""Number of faces that the network reads at once, in about 0.3 GB beside its weights."""
RANDOM = "random"
WHERE = (
    "no package contains the weights: give a file of a ResNet-101 trained on VGGFace2, from the authors of that corpus "
    "or from anyone who converted or trained such a network for PyTorch, or set weights = 'random' for a trial"
)


class VisExtNet(FaceExtractor):
    """VisExtNet (Shi and Huang, ACL 2023, section 3.1): one vector ``[D]`` per clip, from faces without the scene.

    MTCNN (Zhang et al., 2016) finds the faces in up to 20 frames that are evenly spread over the clip. A ResNet-101
    trained on VGGFace2 (Cao et al., 2018) describes each face. The descriptions are averaged over the faces of a frame,
    then over the frames that show a face. A clip without a face is absent. The extractor uses the GPU if there is one.
    The network holds at most 16 faces at once, in about 0.3 GB beside its weights.

    The user provides the weights as a file: safetensors, or a state dict written by torch.save, which is read without
    running any code in it. The file may use the names of torchvision and timm, of transformers, or of the ports of
    Caffe's VGGFace2 networks. With ``random`` nothing has been learnt from faces, and everything made from such
    features carries the stamp ``RANDOM VISEXTNET WEIGHTS``.

    Options:
        weights: path of the file, or ``random``.
        gives: 1000 for the outputs of the last layer, as in the paper, or 2048 for the features before it. If the last
            layer classifies the 8631 people of VGGFace2, its outputs are no useful features: choose 2048.
        style: where the network has its strides, which a file does not record: ``torch`` in the 3 x 3 convolutions,
            ``caffe`` in the 1 x 1 convolutions before them; ``auto`` decides by the names in the file.
        normalise: how pixels are normalised: ``imagenet`` takes the mean from RGB and divides by the standard
            deviation; ``vggface2`` takes the mean from BGR; ``auto`` chooses imagenet for torch and vggface2 for caffe.
        faces: ``all`` faces of a frame, only those of the ``main`` person of the clip, or those of the ``speaker``: the
            person who is seen when this speaker talks rather than when others do.
        pool: ``frames`` averages as above; ``faces`` averages over all faces at once, as the authors' code does.
        frames: largest number of frames to read.
        width: largest width of a picture in pixels; wider pictures are shrunk before faces are detected.
        smallest: side in pixels of the smallest face to detect.
        probability: lowest probability at which a detection counts as a face; MTCNN's own 0.7 takes pots and flowers
            for faces.
        margin: how much is shown around a face on each side, as a share of its size; VGGFace2's authors enlarge the box
            by 0.3 in all.
        identity: for ``speaker``, the archive of the npm package ``@vladmandic/face-api`` 1.7.15, or the folder that it
            is unpacked to. If it is not set, the archive is looked for in the cache folder.

    Raises:
        InputError: no weights are given, their file does not exist, ``style`` or ``normalise`` is set for random
            weights, the package of ``identity`` is missing, or it is set although ``faces`` is not ``speaker``.
    """

    def __init__(
        self,
        *,
        weights: str | None = None,
        gives: Literal[1000, 2048] = 1000,
        style: Literal["auto"] | Style = "auto",
        normalise: Literal["auto"] | Normalise = "auto",
        faces: Follow = "all",
        pool: Pool = "frames",
        frames: Size = 20,
        width: Annotated[int, Field(ge=32)] = 640,
        smallest: Annotated[int, Field(ge=12)] = 20,
        probability: Annotated[float, Field(gt=0, lt=1)] = 0.9,
        margin: Annotated[float, Field(ge=0, le=1)] = 0.15,
        identity: Path | None = None,
    ) -> None:
        if weights is None:
            raise InputError.at("weights", "is not set", WHERE)
        if weights != RANDOM and not is_file(Path(weights)):
            raise InputError.at("weights", f"there is no file {weights}", WHERE)
        if weights == RANDOM and (style, normalise) != ("auto", "auto"):
            raise InputError.at("weights", "are random, so style and normalise cannot be chosen", "remove both options")
        self.dim = gives
        self.stamps = ("RANDOM VISEXTNET WEIGHTS",) if weights == RANDOM else ()
        self._weights = weights
        self._classes = gives if gives < RESNET101.widths[-1] else None
        self._style: Style | None = None if style == "auto" else style
        self._normalise: Normalise | None = None if normalise == "auto" else normalise
        self._pool: Pool = pool
        self._margin = margin
        detector = FaceDetector(smallest=smallest, thresholds=(0.6, 0.7, probability))
        super().__init__(FaceReader(detector, frames, width), faces, identity_of_speakers(faces, identity))

    @property
    def fingerprint(self) -> str:
        """Return a hash of the weights, the version of the code that runs them, the face detector and the settings."""
        return hashlib.sha256(json.dumps(self._about, sort_keys=True).encode()).hexdigest()

    def extract_clip(self, clip: Clip) -> NDArray[np.float32] | None:
        """Return the vector ``[D]`` float32 of a clip; None when no face is found.

        Raises:
            BrokenClipError: the clip cannot be read.
            InputError: a library is not installed, or the weights belong to another network.
        """
        return self._vector(
            face_crops(
                clip,
                self.reader.detector,
                frames=self.reader.frames,
                width=self.reader.width,
                size=SIDE,
                margin=self._margin,
                faces=self.which,
            )
        )

    def describe(self, pictures: Sequence[Frame], faces: Sequence[Sequence[Face]]) -> NDArray[np.float32] | None:
        """Return the vector ``[D]`` of these faces of a clip; None if there is none."""
        return self._vector(cut_out(pictures, faces, SIDE, self._margin))

    @torch.inference_mode()
    def _vector(self, found: FaceCrops) -> NDArray[np.float32] | None:
        if not len(found.pixels):
            return None
        network, device = self._network
        vectors = torch.cat(
            [network(pixels.to(device)).cpu() for pixels in torch.split(found.pixels, AT_ONCE)]
        )  # [K, D]
        vector: NDArray[np.float32] = pool(vectors, found.frame, self._pool).numpy()
        return vector

    @cached_property
    def _about(self) -> dict[str, object]:
        if util.find_spec("transformers") is None:
            raise missing_library("transformers", "faces")
        return {
            "name": "visextnet",
            "weights": f"random {SEED}" if self._weights == RANDOM else sha256(Path(self._weights)),
            "versions": [installed("av"), installed("transformers")],
            "detector": self.reader.detector.fingerprint,
            "network": [self.dim, self._style, self._normalise, SIDE],
            "faces": [self.faces, self._pool, self.reader.frames, self.reader.width, self._margin],
            **self.about_identity,
        }

    @cached_property
    def _network(self) -> tuple[FaceResNet, torch.device]:
        if self._weights == RANDOM:
            network = random_resnet(self._classes)
        else:
            network = load_resnet(Path(self._weights), self._classes, self._style, self._normalise)
        device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        return network.to(device), device
