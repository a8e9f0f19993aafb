"""The places of emotions: the option types of the loss."""

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Degrees = Annotated[float, Field(ge=0, lt=360)]
Share = Annotated[float, Field(ge=0, le=1)]


class Place(BaseModel):
    """A point of the circle of affect (Russell, 1980).

    Attributes:
        angle: in degrees: 0 pleasure, 90 arousal, 180 displeasure, 270 sleepiness.
        strength: the distance from the middle: 0 in the middle, 1 on the circle.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    angle: Degrees = 0.0
    strength: Share = 1.0

    @property
    def point(self) -> tuple[float, float]:
        """Pleasure and arousal, each from -1 to 1."""
        angle = math.radians(self.angle)
        return self.strength * math.cos(angle), self.strength * math.sin(angle)


USUAL: Mapping[str, Place] = MappingProxyType({
    "neutral": Place(strength=0), "joy": Place(angle=10), "happy": Place(angle=10), "excited": Place(angle=45),
    "surprise": Place(angle=75), "anger": Place(angle=105), "angry": Place(angle=105), "fear": Place(angle=120),
    "frustrated": Place(angle=140), "disgust": Place(angle=155), "sadness": Place(angle=210), "sad": Place(angle=210),
})  # fmt: skip
"""The default places of the classes of MELD and IEMOCAP.

They were set by hand between the eight directions that Russell names; they were not measured.
"""
