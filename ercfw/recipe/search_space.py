"""Define ``[tune]``: the search space and the number of trials."""

from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from ercfw.system.validation import Strict


class Range(Strict):
    """Numbers from ``low`` to ``high``, both included; whole numbers if both limits are whole numbers.

    ``log`` samples them evenly by order of magnitude, ``step`` on a grid.
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
    """A list of values to choose from."""

    choices: Annotated[tuple[str | bool | int | float, ...], Field(min_length=1)]


def _kind(space: Any) -> str:
    return "choices" if isinstance(space, Choices) or (isinstance(space, dict) and "choices" in space) else "range"


Space = Annotated[Annotated[Range, Tag("range")] | Annotated[Choices, Tag("choices")], Discriminator(_kind)]


class Tune(Strict):
    """``[tune]``: the trials, the pruner, and a range or choices for each dotted key of the recipe to search."""

    trials: Annotated[int, Field(ge=1)] = 50
    pruner: Literal["median", "none"] = "median"
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    space: Annotated[dict[str, Space], Field(min_length=1)]
