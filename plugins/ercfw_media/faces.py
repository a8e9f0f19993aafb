"""Faces in clips. A public module: other packages may build on it, and what it offers stays as it is.

An extractor makes one ``FaceDetector``, calls ``face_crops`` for each clip, runs its network over the crops, and
averages the vectors with ``pool``. Shapes: F frames of a clip, K faces of all its frames together, crops of S x S
pixels, vectors of width D.
"""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import groupby
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ercfw import Clip, InputError
from ercfw_media.clips import read_frames
from ercfw_media.mtcnn import Mtcnn, overlaps, patches, squares
from ercfw_media.mtcnn_weights import WEIGHTS

Which = Literal["all", "main"]
Pool = Literal["frames", "faces"]
Frame = NDArray[np.uint8]
"""A picture ``[H, W, 3]``, RGB."""

AT_ONCE = 8
"""Number of frames that are processed together."""
SAME_FACE = 0.3
"""The smallest overlap of two boxes of one track, after both are doubled in width and height."""


@dataclass(frozen=True)
class Face:
    """A face in a frame.

    Attributes:
        box: x1, y1, x2, y2 in pixels of the frame; may extend beyond its border.
        probability: the probability that it is a face.
        landmarks: ``[5, 2]``, x and y of the left and the right eye (as seen in the picture), the nose, and the left
            and the right corner of the mouth.
    """

    box: tuple[float, float, float, float]
    probability: float
    landmarks: NDArray[np.float32]

    @property
    def area(self) -> float:
        """Return the area of the box in pixels."""
        x1, y1, x2, y2 = self.box
        return max(0.0, x2 - x1) * max(0.0, y2 - y1)


@dataclass(frozen=True)
class FaceDetector:
    """Detects faces with MTCNN (Zhang et al., 2016), on the GPU if there is one.

    Attributes:
        smallest: side in pixels of the smallest face to look for, at least 12.
        thresholds: the smallest probability with which a box passes each of the three networks.
        factor: the ratio of each scale of the picture to the one before; above 0 and below 1.

    Raises:
        InputError: if an option is out of range.
    """

    smallest: int = 20
    thresholds: tuple[float, float, float] = (0.6, 0.7, 0.7)
    factor: float = 0.709

    def __post_init__(self) -> None:
        if self.smallest < 12:
            raise InputError.at("smallest", f"is {self.smallest}", "choose 12 pixels or more")
        if not all(0 < threshold < 1 for threshold in self.thresholds):
            raise InputError.at("thresholds", f"are {self.thresholds}", "choose probabilities between 0 and 1")
        if not 0 < self.factor < 1:
            raise InputError.at("factor", f"is {self.factor}", "choose a number above 0 and below 1")

    @property
    def fingerprint(self) -> str:
        """Return a hash of the weights and of all settings."""
        about = {"name": "mtcnn", "weights": WEIGHTS, **asdict(self)}
        return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()

    @torch.inference_mode()
    def detect(self, frames: Sequence[Frame]) -> list[list[Face]]:
        """Return the faces of each frame, the most probable first.

        Consecutive frames of the same size are processed together.

        Raises:
            InputError: if a package is missing, or its weights are not the pinned ones.
        """
        found: list[list[Face]] = []
        for _, same in groupby(frames, key=lambda frame: frame.shape):
            alike = list(same)
            for start in range(0, len(alike), AT_ONCE):
                found += self._detect(stacked(alike[start : start + AT_ONCE]).to(self._device))
        return found

    def _detect(self, frames: Tensor) -> list[list[Face]]:
        detections = self._network(frames.float(), self.smallest, self.thresholds, self.factor)
        faces: list[list[Face]] = [[] for _ in frames]
        columns = (detections.frame, detections.boxes, detections.probabilities, detections.landmarks)
        for number, box, probability, landmarks in zip(*(c.cpu().numpy() for c in columns), strict=True):
            x1, y1, x2, y2 = box.tolist()
            faces[number].append(Face((x1, y1, x2, y2), float(probability), landmarks))
        return faces

    @cached_property
    def _device(self) -> torch.device:
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")

    @cached_property
    def _network(self) -> Mtcnn:
        return Mtcnn().to(self._device, memory_format=torch.channels_last).eval()  # type: ignore[call-overload,no-any-return]


@dataclass(frozen=True)
class FaceCrops:
    """The faces of a clip, cut out.

    Attributes:
        pixels: ``[K, 3, S, S]`` float32, RGB of 0 to 255, on the CPU.
        frame: ``[K]`` int64, the frame that each face comes from, ascending.
        frames: F, the number of frames that were read.
    """

    pixels: Tensor
    frame: Tensor
    frames: int


def face_crops(
    clip: Clip,
    detector: FaceDetector,
    *,
    frames: int = 20,
    width: int | None = 640,
    size: int,
    margin: float = 0.0,
    faces: Which = "all",
) -> FaceCrops:
    """Return the faces in a clip, cut out of frames that are spread evenly over it.

    Args:
        clip: the clip to read.
        detector: the detector of the faces.
        frames: the largest number of frames to read.
        width: wider frames are scaled down to this width; None = never.
        size: S, the side of a crop in pixels.
        margin: what a crop shows around the face on each side, as a share of the box's longer side.
        faces: whether to return all faces of each frame, or those of the main track.

    Raises:
        BrokenClipError: if the clip cannot be read.
        InputError: if a library is missing.
    """
    pictures = read_frames(clip, frames, width)
    return cut_out(pictures, only(faces, detector.detect(pictures), pictures), size, margin)


def only(which: Which, faces: list[list[Face]], pictures: Sequence[Frame]) -> list[list[Face]]:
    """Return all faces of each frame, or those of the main track."""
    if which == "all" or not pictures:
        return faces
    height, width, _ = pictures[0].shape
    return [[face] if face else [] for face in main_track(faces, (width, height))]


def cut_out(pictures: Sequence[Frame], faces: Sequence[Sequence[Face]], size: int, margin: float = 0.0) -> FaceCrops:
    """Cut the faces of each picture out of it.

    Args:
        pictures: the F frames of a clip.
        faces: the faces of each frame.
        size: S, the side of a crop in pixels.
        margin: what a crop shows around the face on each side, as a share of the box's longer side.
    """
    pixels = [crops(picture, here, size, margin) for picture, here in zip(pictures, faces, strict=True)]
    counts = torch.tensor([len(here) for here in faces], dtype=torch.long)  # [F]
    return FaceCrops(
        torch.cat([torch.zeros(0, 3, size, size), *pixels]),  # [K, 3, S, S]
        torch.repeat_interleave(torch.arange(len(counts)), counts),  # [K]
        len(pictures),
    )


@torch.inference_mode()
def crops(frame: Frame, faces: Sequence[Face], size: int, margin: float = 0.0) -> Tensor:
    """Cut squares around the faces out of a frame: ``[K, 3, S, S]`` float32 of 0 to 255.

    Beyond the border of the frame, its last pixels are repeated.

    Args:
        frame: RGB ``[H, W, 3]``.
        faces: the faces to cut out.
        size: S.
        margin: what is added on each side, as a share of the box's longer side.
    """
    boxes = squares(torch.tensor([face.box for face in faces]).reshape(-1, 4))  # [K, 4]
    grow = margin * (boxes[:, 2:] - boxes[:, :2])  # [K, 2]
    boxes = boxes + torch.cat([-grow, grow], 1)
    return patches(stacked([frame]).float(), torch.zeros(len(faces)).long(), boxes, size, outside="border")


def main_track(faces: Sequence[Sequence[Face]], size: tuple[int, int]) -> list[Face | None]:
    """Return, for each frame, the face of the clip's largest and most central track; None if it is not seen there.

    Faces of consecutive frames that are in about the same place form a track; a track may pause. The chosen track has
    the largest sum of its faces' sides, where a side is the square root of the area, so that a face that stays
    outweighs a large one that appears briefly. Each face is weighted by 1 in the middle of the frame, falling to 0 in
    its corners.

    Args:
        faces: the faces of each frame.
        size: width and height of the frames.
    """
    tracks: list[dict[int, Face]] = []
    for number, here in enumerate(faces):
        for face, track in _linked(here, tracks):
            if track is None:
                tracks.append({number: face})
            else:
                track[number] = face
    best = max(tracks, key=lambda track: sum(prominence(face, size) for face in track.values()), default={})
    return [best.get(number) for number in range(len(faces))]


def _linked(faces: Sequence[Face], tracks: Sequence[dict[int, Face]]) -> list[tuple[Face, dict[int, Face] | None]]:
    """Return each face with the track that it continues, if any.

    The pair that overlaps most is linked first; each face and each track is linked at most once.
    """
    links: list[dict[int, Face] | None] = [None] * len(faces)
    if faces and tracks:
        shares = overlaps(widened(faces), widened([list(track.values())[-1] for track in tracks]))  # [K, tracks]
        while (best := int(shares.argmax())) >= 0 and shares.flatten()[best] >= SAME_FACE:
            face, track = divmod(best, len(tracks))
            links[face] = tracks[track]
            shares[face], shares[:, track] = -1, -1
    return list(zip(faces, links, strict=True))


def widened(faces: Sequence[Face]) -> Tensor:
    """Return boxes of twice the width and height ``[K, 4]``.

    Between two sampled frames a head moves by a considerable part of its width.
    """
    boxes = torch.tensor([face.box for face in faces])  # [K, 4]
    half = (boxes[:, 2:] - boxes[:, :2]) / 2  # [K, 2]
    return boxes + torch.cat([-half, half], 1)


def prominence(face: Face, size: tuple[int, int]) -> float:
    """Return the side of a face, weighted by 1 in the middle of the frame, falling to 0 in its corners.

    Args:
        face: the face.
        size: width and height of the frame.
    """
    x1, y1, x2, y2 = face.box
    off = float(np.hypot((x1 + x2 - size[0]) / size[0], (y1 + y2 - size[1]) / size[1])) / 2**0.5
    return float(face.area**0.5) * max(0.0, 1 - off)


def pool(vectors: Tensor, frame: Tensor, how: Pool = "frames") -> Tensor:
    """Average the vectors of a clip's faces into one vector ``[D]``.

    Args:
        vectors: ``[K, D]``, one per face; at least one.
        frame: ``[K]`` int64, the frame of each face.
        how: ``frames`` averages over the faces of each frame, then over the frames that show a face; ``faces`` averages
            over all faces at once.
    """
    if how == "faces":
        return vectors.mean(0)
    count = frame.bincount()  # [F]
    weight = 1 / (count[frame] * (count > 0).sum())  # [K]
    return weight.to(vectors.dtype) @ vectors


def stacked(frames: Sequence[Frame]) -> Tensor:
    """Stack frames of one size: ``[F, 3, H, W]`` uint8."""
    return torch.from_numpy(np.stack(frames)).permute(0, 3, 1, 2)
