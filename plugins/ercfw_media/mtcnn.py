"""The three networks of MTCNN, and the cascade that they form (Zhang et al., 2016, arXiv:1604.02878).

P-Net scans the picture at every place and scale, R-Net refines what P-Net proposes, and O-Net refines what R-Net keeps.
Shapes: B boxes, F frames. Boxes are ``x1, y1, x2, y2`` in pixels, where a pixel reaches from its number to the next.
They may extend beyond the border of their frame.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ercfw_media.mtcnn_weights import WEIGHTS, load_weights

WINDOW, STRIDE = 12, 2
"""Side in pixels of the window that P-Net sees, and the step in pixels by which it moves."""
OVERLAP_OF_A_SCALE, OVERLAP = 0.5, 0.7
"""The overlap of two boxes above which the less probable one is dropped."""
MOST_PROPOSALS = 2000
"""Boxes of one frame and scale that are compared with each other, in a table of all pairs."""


def _convolution(channels: int, filters: int, size: int, pool: int = 0) -> list[nn.Module]:
    """Return an unpadded convolution with PReLU, and max-pooling of stride 2 over ``pool`` x ``pool`` if it is set."""
    layers = [nn.Conv2d(channels, filters, size), nn.PReLU(filters)]
    return [*layers, nn.MaxPool2d(pool, 2, ceil_mode=True)] if pool else layers


class PNet(nn.Module):
    """Proposes boxes: for every window of 12 x 12 pixels, the probability of a face and the offsets of its box."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_convolution(3, 10, 3, pool=2), *_convolution(10, 16, 3), *_convolution(16, 32, 3)
        )
        self.box = nn.Conv2d(32, 4, 1)
        self.face = nn.Conv2d(32, 2, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map ``[F, 3, H, W]`` of -1 to 1 to offsets ``[F, 4, h, w]`` in windows, and probabilities ``[F, h, w]``."""
        x = self.features(x)
        return self.box(x), self.face(x).softmax(1)[:, 1]


class RNet(nn.Module):
    """Refines the boxes of P-Net."""

    size = 24

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_convolution(3, 28, 3, pool=3), *_convolution(28, 48, 3, pool=3), *_convolution(48, 64, 2)
        )
        self.hidden = nn.Sequential(nn.Linear(576, 128), nn.PReLU(128))
        self.box = nn.Linear(128, 4)
        self.face = nn.Linear(128, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Map ``[B, 3, 24, 24]`` of -1 to 1 to offsets ``[B, 4]`` in sides of the box, and probabilities ``[B]``."""
        x = self.hidden(_flat(self.features(x)))
        return self.box(x), self.face(x).softmax(1)[:, 1]


class ONet(nn.Module):
    """Refines the boxes of R-Net, and locates eyes, nose and mouth."""

    size = 48

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_convolution(3, 32, 3, pool=3),
            *_convolution(32, 64, 3, pool=3),
            *_convolution(64, 64, 3, pool=2),
            *_convolution(64, 128, 2),
        )
        self.hidden = nn.Sequential(nn.Linear(1152, 256), nn.PReLU(256))
        self.box = nn.Linear(256, 4)
        self.landmarks = nn.Linear(256, 10)
        self.face = nn.Linear(256, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Map ``[B, 3, 48, 48]`` of -1 to 1 to offsets ``[B, 4]``, landmarks ``[B, 10]``, and probabilities ``[B]``.

        Landmarks are five x and then five y, in sides of the box from its corner.
        """
        x = self.hidden(_flat(self.features(x)))
        return self.box(x), self.landmarks(x), self.face(x).softmax(1)[:, 1]


def _flat(x: Tensor) -> Tensor:
    """Flatten ``[B, C, H, W] -> [B, W * H * C]``, the order of Caffe's Matlab, used to train the dense layers."""
    return x.permute(0, 3, 2, 1).flatten(1)


@dataclass(frozen=True)
class Detections:
    """Faces of several frames.

    Attributes:
        frame: ``[B]`` int64, the frame of each face.
        boxes: ``[B, 4]``.
        probabilities: ``[B]``.
        landmarks: ``[B, 5, 2]``: left and right eye (as seen in the picture), nose, left and right corner of the mouth.
    """

    frame: Tensor
    boxes: Tensor
    probabilities: Tensor
    landmarks: Tensor


class Mtcnn(nn.Module):
    """The cascade, with the weights of the package ``mtcnn``.

    Raises:
        InputError: if a package is missing, or its weights are not the pinned ones.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pnet, self.rnet, self.onet = PNet(), RNet(), ONet()
        for name in WEIGHTS:
            load_weights(self.get_submodule(name), name)

    def forward(
        self, frames: Tensor, smallest: float, thresholds: tuple[float, float, float], factor: float
    ) -> Detections:
        """Detect the faces of frames ``[F, 3, H, W]`` of 0 to 255.

        Args:
            frames: RGB pictures of one size.
            smallest: side in pixels of the smallest face.
            thresholds: the smallest probability with which a box passes each network.
            factor: the ratio of each scale of the picture to the one before.
        """
        # With a pixel's channels side by side, P-Net takes less than half the time on a CPU.
        frames = ((frames - 127.5) / 128).contiguous(memory_format=torch.channels_last)  # [F, 3, H, W]
        frame, boxes = self._propose(frames, smallest, thresholds[0], factor)

        offsets, scores = self.rnet(patches(frames, frame, boxes, RNet.size, outside="zeros"))
        kept = scores > thresholds[1]
        frame, boxes, scores = frame[kept], _refined(boxes, offsets)[kept], scores[kept]
        kept = non_maximum_suppression(frame, boxes, scores, OVERLAP)
        frame, boxes = frame[kept], squares(boxes[kept])

        offsets, points, scores = self.onet(patches(frames, frame, boxes, ONet.size, outside="zeros"))
        kept = scores > thresholds[2]
        sides = boxes[:, 2:] - boxes[:, :2]  # [B, 2]
        landmarks = boxes[:, None, :2] + sides[:, None] * points.unflatten(1, (2, 5)).mT  # [B, 5, 2]
        found = Detections(frame[kept], _refined(boxes, offsets)[kept], scores[kept], landmarks[kept])
        kept = non_maximum_suppression(found.frame, found.boxes, found.probabilities, OVERLAP, share_of="smaller")
        return Detections(found.frame[kept], found.boxes[kept], found.probabilities[kept], found.landmarks[kept])

    def _propose(self, frames: Tensor, smallest: float, threshold: float, factor: float) -> tuple[Tensor, Tensor]:
        """Return the frame ``[B]`` and the square ``[B, 4]`` of each proposal, of all scales together."""
        height, width = frames.shape[-2:]
        found = [(frames.new_zeros(0, dtype=torch.long), frames.new_zeros(0, 4), frames.new_zeros(0))]
        scale = WINDOW / smallest
        while min(height, width) * scale >= WINDOW:
            size = (round(height * scale), round(width * scale))
            small = functional.interpolate(frames, size, mode="bilinear", antialias=True)  # [F, 3, h, w]
            offsets, scores = self.pnet(small)
            frame, y, x = (scores > threshold).nonzero(as_tuple=True)
            corner = torch.stack([x, y, x, y], 1) * STRIDE + frames.new_tensor([0, 0, WINDOW, WINDOW])  # [B, 4]
            stretch = frames.new_tensor([width / size[1], height / size[0]] * 2)  # [4]
            boxes = (corner + offsets[frame, :, y, x] * WINDOW) * stretch  # [B, 4]
            kept = non_maximum_suppression(frame, boxes, scores[frame, y, x], OVERLAP_OF_A_SCALE)
            found.append((frame[kept], boxes[kept], scores[frame, y, x][kept]))
            scale *= factor
        frame, boxes, probabilities = (torch.cat(parts) for parts in zip(*found, strict=True))
        kept = non_maximum_suppression(frame, boxes, probabilities, OVERLAP)
        return frame[kept], squares(boxes[kept])


def _refined(boxes: Tensor, offsets: Tensor) -> Tensor:
    sides = boxes[:, 2:] - boxes[:, :2]  # [B, 2]
    return boxes + offsets * sides.repeat(1, 2)


def squares(boxes: Tensor) -> Tensor:
    """Return squares ``[B, 4]`` with the same centres, as wide as the longer side of each box."""
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2  # [B, 2]
    half = (boxes[:, 2:] - boxes[:, :2]).amax(1, keepdim=True) / 2  # [B, 1]
    return torch.cat([middles - half, middles + half], 1)


def overlaps(boxes: Tensor, others: Tensor, share_of: Literal["union", "smaller"] = "union") -> Tensor:
    """Return the overlap of each pair of boxes, ``[B, K]``: the common area as a share of another area.

    Args:
        boxes: ``[B, 4]``.
        others: ``[K, 4]``.
        share_of: the area that the common one is divided by: that of the union, or of the smaller box.
    """
    corner = torch.maximum(boxes[:, None, :2], others[:, :2])  # [B, K, 2]
    common = (torch.minimum(boxes[:, None, 2:], others[:, 2:]) - corner).clamp(min=0).prod(-1)  # [B, K]
    area, area_of_others = ((b[:, 2:] - b[:, :2]).clamp(min=0).prod(-1) for b in (boxes, others))
    if share_of == "smaller":
        return common / torch.minimum(area[:, None], area_of_others).clamp(min=1e-9)
    return common / (area[:, None] + area_of_others - common).clamp(min=1e-9)


def non_maximum_suppression(
    frame: Tensor, boxes: Tensor, scores: Tensor, most: float, share_of: Literal["union", "smaller"] = "union"
) -> Tensor:
    """Return the indices ``[K]`` of boxes that no better kept box of their frame overlaps by more than ``most``.

    In each frame, only the ``MOST_PROPOSALS`` highest scores are considered. Results are ordered by frame, then by
    score, highest first.
    """
    kept = [torch.empty(0, dtype=torch.long, device=boxes.device)]
    for number in range(int(frame.max()) + 1 if len(frame) else 0):
        places = (frame == number).nonzero()[:, 0]  # [n]
        places = places[scores[places].argsort(descending=True, stable=True)][:MOST_PROPOSALS]
        covers = (overlaps(boxes[places], boxes[places], share_of) > most).triu(1).to(boxes.dtype)  # [n, n]
        stays = covers.new_ones(len(places))  # [n]
        # Box i is settled once all before it are, so this ends; mostly after a few rounds.
        while not torch.equal(stays, after := (stays @ covers == 0).to(covers.dtype)):
            stays = after
        kept.append(places[stays.bool()])
    return torch.cat(kept)


def patches(frames: Tensor, frame: Tensor, boxes: Tensor, size: int, *, outside: Literal["zeros", "border"]) -> Tensor:
    """Resample the boxes ``[B, 4]`` of frames ``[F, C, H, W]`` to ``[B, C, size, size]``.

    The frame is halved until the box is less than twice ``size``, then sampled bilinearly, so that no pixel inside the
    box is skipped. Outside the frame, pixels are zero or repeat the border.
    """
    out = frames.new_empty(len(boxes), frames.shape[1], size, size)
    sides = (boxes[:, 2:] - boxes[:, :2]).amax(1).clamp(min=1)  # [B]
    halvings = (sides / size).log2().floor().clamp(min=0)  # [B]
    steps = (torch.arange(size, device=boxes.device) + 0.5) / size  # [size]
    points = boxes[:, None, :2] + (boxes[:, 2:] - boxes[:, :2])[:, None] * steps[None, :, None]  # [B, size, 2]
    small = frames
    for times in range(int(halvings.max()) + 1 if len(boxes) else 0):
        small = functional.avg_pool2d(small, 2, ceil_mode=True) if times else small  # [F, C, h, w]
        covered = frames.new_tensor([small.shape[-1], small.shape[-2]]) * 2**times  # [2]
        places = 2 * points / covered - 1  # [B, size, 2]
        for number in set(frame[halvings == times].tolist()):
            chosen = ((halvings == times) & (frame == number)).nonzero()[:, 0]  # [b]
            x, y = places[chosen].unbind(-1)  # [b, size]
            grid = torch.stack([x[:, None].expand(-1, size, -1), y[..., None].expand(-1, -1, size)], -1)
            seen = functional.grid_sample(
                small[number : number + 1], grid.flatten(0, 1)[None], padding_mode=outside, align_corners=False
            )  # [1, C, b * size, size]
            out[chosen] = seen[0].reshape(len(seen[0]), -1, size, size).transpose(0, 1)
    return out
