"""``[tune]``: what is searched, and for how long."""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from ercfw.system.validation import Strict


class Range(Strict):
    """Numbers from ``low`` to ``high``, both in it; whole ones when both are written so.

    ``log`` draws them evenly by order of magnitude, ``step`` on a grid.
    """

    low: int | float
    high: int | float
    log: bool = False
    step: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low ({self.low}) is not below high ({self.high})")
        if self.log and self.low <= 0:
            raise ValueError(f"log needs a low above 0, not {self.low}")
        if self.log and self.step is not None:
            raise ValueError("log and step exclude each other")
        return self


class Choices(Strict):
    """One of several values."""

    choices: Annotated[tuple[str | bool | int | float, ...], Field(min_length=1)]


def _kind(space: Any) -> str:
    return "choices" if isinstance(space, Choices) or (isinstance(space, dict) and "choices" in space) else "range"


Space = Annotated[Annotated[Range, Tag("range")] | Annotated[Choices, Tag("choices")], Discriminator(_kind)]


class Tune(Strict):
    """``[tune]``: trials, the pruner, and the space: dotted keys of the recipe with a range or choices each."""

    trials: Annotated[int, Field(ge=1)] = 50
    pruner: Literal["median", "none"] = "median"
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    space: Annotated[dict[str, Space], Field(min_length=1)]
