"""The findings of the checks of a corpus."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Level = Literal["wrong", "doubtful", "known", "note", "fine"]
LEVELS: tuple[Level, ...] = ("wrong", "doubtful", "known", "note", "fine")
MAX_NAMED = 3
"""The number of places that a finding names."""


@dataclass(frozen=True)
class Finding:
    """One finding of a check.

    Attributes:
        level: ``wrong`` spoils results, ``doubtful`` is worth a look, ``known`` is a known fault of the published
            corpus, ``note`` is good to know, ``fine`` was checked and is correct.
        about: the split or stream, or the whole corpus.
        what: the finding in words.
    """

    level: Level
    about: str
    what: str


def first(names: Sequence[object]) -> str:
    """Name the first places of a list and the number of the others."""
    shown = ", ".join("/".join(name) if isinstance(name, tuple) else str(name) for name in names[:MAX_NAMED])
    return shown + (f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else "")
