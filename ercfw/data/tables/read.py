"""Result of a reader together with its warnings."""

from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True)
class Read(Generic[T]):
    """What a reader found.

    Attributes:
        value: the content.
        warnings: what was guessed, changed or skipped; for the caller to show.
    """

    value: T
    warnings: tuple[str, ...] = ()
