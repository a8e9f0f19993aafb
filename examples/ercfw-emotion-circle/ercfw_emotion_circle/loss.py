"""Cross-entropy with targets that are spread over similar emotions."""

from collections.abc import Mapping
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from ercfw import DataInfo, InputError, Loss, Outputs, labelled
from ercfw_emotion_circle.places import USUAL, Place


class EmotionCircle(Loss):
    """Cross-entropy against targets that decrease with the distance from the label, averaged over labelled rows.

    For label y, the target of class c is ``exp(-d(c, y)^2 / (2 spread^2))``, divided by its sum over all classes. d is
    the distance between the places of two emotions on Russell's circle (1980). As the spread approaches
    0, the loss becomes plain cross-entropy.

    Options:
        spread: how far targets reach from the label; the radius of the circle is 1.
        places: the places of classes that have no default place, or that should have another one.

    Raises:
        InputError: if a class has no place, ``places`` names an unknown class, or two classes have the same place.
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
        points = torch.tensor([place.point for place in _places(classes, places)], dtype=torch.float64)  # [C, 2]
        nearness = torch.cdist(points, points).square() / (-2 * spread**2)  # [C, C]
        self.register_buffer("targets_of", nearness.softmax(-1).float(), persistent=False)  # [C, C]

    def forward(self, outputs: Outputs, targets: dict[str, Tensor]) -> Tensor:
        """Return the loss ``[]``; 0 if nothing is labelled."""
        is_labelled = labelled(targets, self.target)  # [N]
        log_p = outputs.heads[self.target].logits.float().log_softmax(-1)  # [N, C]
        expected = self.targets_of[targets[self.target].clamp(min=0)]  # [N, C]
        return -((expected * log_p).sum(-1) * is_labelled).sum() / is_labelled.sum().clamp(min=1)


def _places(classes: tuple[str, ...], places: Mapping[str, Place]) -> list[Place]:
    """Return the place of each class.

    Raises:
        InputError: if a class has no place, ``places`` names an unknown class, or two classes have the same place.
    """
    known = {**USUAL, **places}
    for name in places:
        if name not in classes:
            raise InputError.at(f"places.{name}", "is not a class of the data", ", ".join(classes))
    for name in classes:
        if name not in known:
            hint = f"places.{name} = {{ angle = 245, strength = 1 }}, for example"
            raise InputError.at("places", f"class '{name}' has no place", hint)
    owners: dict[tuple[float, float], str] = {}
    for name in classes:
        point = known[name].point
        if point in owners:
            raise InputError.at(f"places.{name}", f"has the same place as '{owners[point]}': choose another one")
        owners[point] = name
    return [known[name] for name in classes]
