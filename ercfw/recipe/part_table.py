"""Define the table that names a part; the tables of every kind of part are made from it."""

from typing import Annotated, Any

from pydantic import Field

from ercfw.system.validation import Strict

Count = Annotated[int, Field(ge=1)]


class Part(Strict, extra="allow"):
    """A table that names a part. Keys that do not belong to the core are options of the part."""

    use: str

    @property
    def options(self) -> dict[str, Any]:
        """Return the options for the part's constructor."""
        return dict(self.model_extra or {})


class Short(Part):
    """A part that a recipe names by a string, ``optimizer = "adam"``, in place of a table."""
