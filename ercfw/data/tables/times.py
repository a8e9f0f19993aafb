"""Times of an utterance: their notations, and the stretch from a start to an end."""

import math
import re
from dataclasses import dataclass

from ercfw.errors import Mistake

_CLOCK = re.compile(r"(?:(?:([0-9]{1,9}):)?([0-9]{1,9}):)?([0-9]{1,9})(?:[.,]([0-9]{1,9}))?")


def seconds_of(text: str) -> float | None:
    """Return ``12.5``, ``01:12.5`` or ``00:01:12,500`` in seconds; None if it is not a time of 0 or more."""
    try:
        seconds = float(text)
    except ValueError:
        return _clock_seconds(text.strip())
    return seconds if math.isfinite(seconds) and seconds >= 0 else None


def _clock_seconds(text: str) -> float | None:
    found = _CLOCK.fullmatch(text)
    if found is None:
        return None
    hours, minutes, seconds, fraction = found.groups(default="0")
    whole = int(hours) * 3600 + int(minutes) * 60 + int(seconds)
    return whole + int(fraction) / 10.0 ** len(fraction)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Part of a recording or of a conversation, as a row gives it.

    Attributes:
        start: in seconds; None if the row gives no valid start.
        end: in seconds; None if the row gives no valid end.
        mistakes: what is wrong with the row's times; the caller decides whether this is an error.
    """

    start: float | None
    end: float | None
    mistakes: tuple[Mistake, ...] = ()

    @property
    def both(self) -> tuple[float, float] | None:
        """Start and end; None unless the row gives both."""
        return None if self.start is None or self.end is None else (self.start, self.end)


def read_stretch(start: tuple[str, str], end: tuple[str, str]) -> Stretch:
    """Return the stretch between two times; an empty text means that the time is not given.

    Args:
        start: where the start is, for messages, and its text.
        end: the same for the end.
    """
    begins, ends = seconds_of(start[1]), seconds_of(end[1])
    mistakes = tuple(
        Mistake(where, f"'{text.strip()}' is not a time", "write seconds, such as 12.5, or 00:01:12,500")
        for (where, text), seconds in ((start, begins), (end, ends))
        if text.strip() and seconds is None
    )
    if not mistakes and ends is not None and ends <= (begins or 0.0):
        what = f"is {ends:g} s, which is not after the start at {begins or 0.0:g} s"
        mistakes = (Mistake(end[0], what, "write an end after the start"),)
    return Stretch(begins, ends, mistakes)
