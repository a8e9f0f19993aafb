"""Define ``[tune]``: the search space and the number of trials."""

import json
from decimal import Decimal
from math import isfinite
from typing import Annotated, Any, Literal, Self

from pydantic import Discriminator, Field, Tag, model_validator

from ercfw.system.validation import Strict

EXACT = 2**53
"""Largest whole number up to which a search, which computes with floats, tells all whole numbers apart."""
MOST_STEPS = 1e9
RANGE, LIST = "(range)", "(list)"  # no keys of a table, which a message would name


class Range(Strict):
    """Numbers from ``low`` to ``high``, both included; whole numbers if the limits and the step are whole numbers.

    ``log`` samples them evenly by order of magnitude, ``step`` on a grid that starts at ``low``.
    """

    low: int | float
    high: int | float
    log: bool = False
    step: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="before")
    @classmethod
    def _has_limits(cls, given: Any) -> Any:
        if isinstance(given, dict) and not {"low", "high"} & given.keys():
            raise ValueError("has no values: set low and high, or choices")
        return given

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low ({self.low}) is not below high ({self.high})")
        if self.log and self.low <= 0:
            raise ValueError(f"log needs a low above 0, not {self.low}")
        if self.log and self.step is not None:
            raise ValueError("log and step exclude each other")
        if self.is_whole and max(abs(self.low), abs(self.high)) > EXACT:
            raise ValueError(f"whole numbers can be searched from {-EXACT} to {EXACT}")
        if not isfinite(self.high - self.low):
            raise ValueError(f"the distance from low ({self.low}) to high ({self.high}) is too large")
        if self.step is not None and self.step > self.high - self.low:
            raise ValueError(f"step ({self.step:g}) is above the distance from low ({self.low}) to high ({self.high})")
        if self.step is not None and (self.high - self.low) / self.step > MOST_STEPS:
            raise ValueError(f"step ({self.step:g}) is too small: it makes more than {MOST_STEPS:g} values")
        return self

    @property
    def is_whole(self) -> bool:
        """Return whether only whole numbers are searched."""
        return isinstance(self.low, int) and isinstance(self.high, int) and (self.step is None or self.step % 1 == 0)

    @property
    def ends(self) -> tuple[int | float, int | float]:
        """Return the lowest and the highest number; with a step, the highest on the grid, in decimal arithmetic."""
        number = int if self.is_whole else float
        if self.step is None:
            return number(self.low), number(self.high)
        low, high, step = (Decimal(repr(value)) for value in (self.low, self.high, self.step))
        return number(low), number(low + (high - low) // step * step)


class Choices(Strict):
    """A list of values to choose from."""

    choices: Annotated[tuple[str | bool | int | float, ...], Field(min_length=1, strict=False)]

    @model_validator(mode="before")
    @classmethod
    def _alone(cls, given: Any) -> Any:
        if others := [key for key in Range.model_fields if isinstance(given, dict) and key in given]:
            raise ValueError(f"choices and {others[0]} exclude each other")
        return given

    @model_validator(mode="after")
    def _different(self) -> Self:
        for number, choice in enumerate(self.choices):
            if choice in self.choices[:number]:  # 1, 1.0 and true are the same to a search
                first = self.choices[self.choices.index(choice)]
                raise ValueError(f"choices lists {_in_toml(first)} and {_in_toml(choice)}, which are the same")
        return self


def _in_toml(choice: str | bool | float) -> str:
    return json.dumps(choice, ensure_ascii=False)


def _kind(space: Any) -> str:
    return LIST if isinstance(space, Choices) or (isinstance(space, dict) and "choices" in space) else RANGE


Space = Annotated[Annotated[Range, Tag(RANGE)] | Annotated[Choices, Tag(LIST)], Discriminator(_kind)]


class Tune(Strict):
    """``[tune]``: the trials, the pruner, and a range or choices for each dotted key of the recipe to search."""

    trials: Annotated[int, Field(ge=1)] = 50
    pruner: Literal["median", "none"] = "median"
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    space: Annotated[dict[str, Space], Field(min_length=1)]
