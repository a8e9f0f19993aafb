"""What a check of a corpus says."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Level = Literal["wrong", "doubtful", "known", "note", "fine"]
LEVELS: tuple[Level, ...] = ("wrong", "doubtful", "known", "note", "fine")
FIRST = 3
"""Places that a finding names."""


@dataclass(frozen=True)
class Finding:
    """One thing that was found.

    Attributes:
        level: ``wrong`` spoils results, ``doubtful`` is worth a look, ``known`` is a fault of the corpus that everybody
            has, ``note`` is no fault but good to know, ``fine`` was looked at and is right.
        about: a split, stream or the whole corpus.
        what: in words.
    """

    level: Level
    about: str
    what: str


def first(names: Sequence[object]) -> str:
    """The first places of a list, and how many more there are."""
    shown = ", ".join("/".join(name) if isinstance(name, tuple) else str(name) for name in names[:FIRST])
    return shown + (f" and {len(names) - FIRST} more" if len(names) > FIRST else "")
