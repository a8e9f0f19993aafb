"""Option types with ranges that many parts need."""

from typing import Annotated

from pydantic import Field

Size = Annotated[int, Field(ge=1)]
"""A width or a count: at least 1."""

Rate = Annotated[float, Field(ge=0, lt=1)]
"""A share below 1, such as the values that a dropout sets to zero."""
