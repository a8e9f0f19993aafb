"""Cross-entropy with targets that are spread over near emotions."""

from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ercfw import DataInfo, InputError, Loss, Outputs, labelled
from ercfw_emotion_circle.places import USUAL, Place


class EmotionCircle(Loss):
    """Cross-entropy against targets that fall off with the distance from the label; the mean over labelled rows.

    The target of class c, where y is the label, is the share of ``exp(-d(c, y)^2 / (2 spread^2))`` among all
    classes, and d the distance of their places on Russell's circle (1980). With a small spread it is cross-entropy.

    Options:
        spread: how far from its label a target reaches; the circle's radius is 1.
        places: of classes that have no usual place, or are to have another.

    Raises:
        InputError: a class has no place, a place no class, or two classes share one.
    """

    targets_of: Tensor

    def __init__(
        self,
        target: str,
        info: DataInfo,
        *,
        spread: Annotated[float, Field(gt=0)] = 0.3,
        places: Mapping[str, Place] = {},
    ) -> None:
        super().__init__(target, info)
        classes = info.targets[target].classes
        points = torch.tensor([place.point for place in _of(classes, places)], dtype=torch.float64)  # [C, 2]
        nearness = torch.cdist(points, points).square() / (-2 * spread**2)  # [C, C]
        self.register_buffer("targets_of", nearness.softmax(-1).float(), persistent=False)  # [C, C]

    def forward(self, outputs: Outputs, targets: dict[str, Tensor]) -> Tensor:
        """``[]``; 0 where nothing is labelled."""
        here = labelled(targets, self.target)  # [N]
        log_p = outputs.heads[self.target].logits.float().log_softmax(-1)  # [N, C]
        wanted = self.targets_of[targets[self.target].clamp(min=0)]  # [N, C]
        return -((wanted * log_p).sum(-1) * here).sum() / here.sum().clamp(min=1)


def _of(classes: tuple[str, ...], places: Mapping[str, Place]) -> list[Place]:
    """The place of each class."""
    known = {**USUAL, **places}
    for name in places:
        if name not in classes:
            raise InputError.at(f"places.{name}", "is no class of the data", ", ".join(classes))
    for name in classes:
        if name not in known:
            mend = f"places.{name} = {{ angle = 245, strength = 1 }}, say"
            raise InputError.at("places", f"class '{name}' has no place", mend)
    owners: dict[tuple[float, float], str] = {}
    for name in classes:
        point = known[name].point
        if point in owners:
            raise InputError.at(f"places.{name}", f"is where '{owners[point]}' is: the loss could not tell them apart")
        owners[point] = name
    return [known[name] for name in classes]
