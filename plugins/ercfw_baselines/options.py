"""The ranges that the options of several parts share."""

from typing import Annotated

from pydantic import Field

Size = Annotated[int, Field(ge=1)]
"""A width, or a number of layers."""

Rate = Annotated[float, Field(ge=0, lt=1)]
"""The share of numbers that a dropout sets to zero."""
