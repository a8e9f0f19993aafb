"""The three networks of MTCNN, and the cascade that they make (Zhang et al., 2016, arXiv:1604.02878).

P-Net looks at every place and size of a picture, R-Net at what P-Net proposes, O-Net at what R-Net leaves.
B boxes, F frames. Boxes are ``x1, y1, x2, y2`` in pixels, a pixel reaching from its number to the next, and may
reach over the border of their frame.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from ercfw_media.mtcnn_weights import WEIGHTS, load_weights

WINDOW, STRIDE = 12, 2
"""Pixels that P-Net sees at once, and by which it moves on."""
OVERLAP_OF_A_SCALE, OVERLAP = 0.5, 0.7
"""The share of two boxes in common above which the less probable one goes."""
MOST_PROPOSALS = 2000
"""Boxes of one frame and scale that are compared with each other; a table of all pairs is made."""


def _convolution(channels: int, filters: int, size: int, pool: int = 0) -> list[nn.Module]:
    """A convolution without padding and, after it, the largest of ``pool`` x ``pool`` at every second place."""
    layers = [nn.Conv2d(channels, filters, size), nn.PReLU(filters)]
    return [*layers, nn.MaxPool2d(pool, 2, ceil_mode=True)] if pool else layers


class PNet(nn.Module):
    """Proposes boxes: of every window of 12 x 12 pixels, whether a face fills it, and how far off it is."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            *_convolution(3, 10, 3, pool=2), *_convolution(10, 16, 3), *_convolution(16, 32, 3)
        )
        self.box = nn.Conv2d(32, 4, 1)
        self.face = nn.Conv2d(32, 2, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """``[F, 3, H, W]`` of -1 to 1 -> offsets ``[F, 4, h, w]`` in windows, probabilities ``[F, h, w]``."""
        x = self.features(x)
        return self.box(x), self.face(x).softmax(1)[:, 1]


class RNet(nn.Module):
    """Refines proposals."""

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
        """``[B, 3, 24, 24]`` of -1 to 1 -> offsets ``[B, 4]`` in sides of the box, probabilities ``[B]``."""
        x = self.hidden(_flat(self.features(x)))
        return self.box(x), self.face(x).softmax(1)[:, 1]


class ONet(nn.Module):
    """Refines once more, and says where eyes, nose and mouth are."""

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
        """``[B, 3, 48, 48]`` of -1 to 1 -> offsets ``[B, 4]``, landmarks ``[B, 10]``, probabilities ``[B]``.

        Landmarks are five x and then five y, in sides of the box from its corner.
        """
        x = self.hidden(_flat(self.features(x)))
        return self.box(x), self.landmarks(x), self.face(x).softmax(1)[:, 1]


def _flat(x: Tensor) -> Tensor:
    """``[B, C, H, W] -> [B, W * H * C]``: the order of Caffe's Matlab, in which the dense layers were trained."""
    return x.permute(0, 3, 2, 1).flatten(1)


@dataclass(frozen=True)
class Detections:
    """Faces of several frames.

    Attributes:
        frame: ``[B]`` int64.
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
        InputError: a package is missing, or its weights are not the pinned ones.
    """

    def __init__(self) -> None:
        super().__init__()
        self.pnet, self.rnet, self.onet = PNet(), RNet(), ONet()
        for name in WEIGHTS:
            load_weights(self.get_submodule(name), name)

    def forward(
        self, frames: Tensor, smallest: float, thresholds: tuple[float, float, float], factor: float
    ) -> Detections:
        """Finds the faces of frames ``[F, 3, H, W]`` of 0 to 255.

        Args:
            frames: pictures of one size, RGB.
            smallest: side in pixels of the smallest face.
            thresholds: the least probability by which a box outlives each network.
            factor: by which each size that is looked for is larger than the next.
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
        """The frame ``[B]`` and the square ``[B, 4]`` of each proposal, of all sizes together."""
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
    """``[B, 4]``: around the same middles, as wide as the longer side."""
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2  # [B, 2]
    half = (boxes[:, 2:] - boxes[:, :2]).amax(1, keepdim=True) / 2  # [B, 1]
    return torch.cat([middles - half, middles + half], 1)


def overlaps(boxes: Tensor, others: Tensor, share_of: Literal["union", "smaller"] = "union") -> Tensor:
    """``[B, K]``: the area that boxes ``[B, 4]`` and others ``[K, 4]`` share, over their union or the smaller one."""
    corner = torch.maximum(boxes[:, None, :2], others[:, :2])  # [B, K, 2]
    common = (torch.minimum(boxes[:, None, 2:], others[:, 2:]) - corner).clamp(min=0).prod(-1)  # [B, K]
    area, area_of_others = ((b[:, 2:] - b[:, :2]).clamp(min=0).prod(-1) for b in (boxes, others))
    if share_of == "smaller":
        return common / torch.minimum(area[:, None], area_of_others).clamp(min=1e-9)
    return common / (area[:, None] + area_of_others - common).clamp(min=1e-9)


def non_maximum_suppression(
    frame: Tensor, boxes: Tensor, scores: Tensor, most: float, share_of: Literal["union", "smaller"] = "union"
) -> Tensor:
    """The places ``[K]`` of boxes that overlap no kept one of a higher score in their frame by more than ``most``.

    Of each frame the ``MOST_PROPOSALS`` highest scores are looked at. Kept ones come frame by frame, highest first.
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
    """What boxes ``[B, 4]`` show of frames ``[F, C, H, W]``, as ``[B, C, size, size]``.

    A box is read off the frame halved as often as it takes for the box to be less than twice ``size``, linearly
    between the four nearest pixels, so that no pixel inside is left out. Outside the frame there are zeros, or its
    border goes on.
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
