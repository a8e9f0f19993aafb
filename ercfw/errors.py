"""The errors a user can meet: each says what is wrong, where, and what would be right."""

import re
import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from sysconfig import get_paths

__all__ = [
    "BrokenClipError", "ErcfwError", "InputError", "Mistake", "RunError", "cause_of", "did_you_mean", "missing_library",
]  # fmt: skip

MOST_TOLD = 50
"""Mistakes that one message tells; a reader mends some, and is told of the others then."""
LONGEST = 500
"""Characters of each piece of a message: what is wrong may be of any size."""
MOST_NAMES, LONGEST_HINT = 100, 2000
"""Names that a hint lists, and its characters."""


@dataclass(frozen=True)
class Mistake:
    """One thing that is wrong.

    Attributes:
        where: file, table and key, such as ``recipes/mine.toml: [fusion] width``.
        what: what is wrong there.
        mend: what would be right; may be empty.
    """

    where: str
    what: str
    mend: str = ""

    def __str__(self) -> str:
        mend = f" ({shown(self.mend, LONGEST_HINT)})" if self.mend else ""
        return f"{shown(self.where)}: {shown(self.what)}{mend}"


class ErcfwError(Exception):
    """Ends a command with one message and without a traceback."""

    exit_code = 1


class InputError(ErcfwError):
    """The user's input is wrong; holds every mistake that was found."""

    exit_code = 2

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        more = len(self.mistakes) - MOST_TOLD
        told = [*map(str, self.mistakes[:MOST_TOLD]), *([f"and {more} more mistakes"] if more > 0 else [])]
        super().__init__("\n".join(told))

    def __reduce__(self) -> tuple[type["InputError"], tuple[tuple[Mistake, ...]]]:
        """As another process is to make it again."""
        return type(self), (self.mistakes,)

    @classmethod
    def at(cls, where: object, what: str, mend: str = "") -> "InputError":
        """The error of a single mistake."""
        return cls([Mistake(str(where), what, mend)])


class RunError(ErcfwError):
    """The input was right, but the run failed: a loss that is not a number, a full disk."""


class BrokenClipError(ErcfwError):
    """A clip cannot be read: its utterance is left out, is told of, and the work goes on."""


def shown(text: str, longest: int = LONGEST) -> str:
    """A text as a message can hold it: in one line, shortened in its middle, control characters written out.

    What a file says may be of any length, and must not steer the terminal that shows it.
    """
    if len(text) > longest:
        text = f"{text[: longest * 3 // 4]} ... {text[-longest // 4 :]}"
    if text.isprintable():
        return text
    text = re.sub(r"\s+", " ", text)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class PeerGoneError(RunError):
    """Another process that shares the work has ended; it, or whoever started both, knows why."""

    def __init__(self) -> None:
        super().__init__("another process has ended")


@contextmanager
def in_recipe(place: str) -> Iterator[None]:
    """Puts the recipe's file before mistakes that name only a table of it, such as ``[fusion] heads``."""
    try:
        yield
    except InputError as error:
        named = [replace(m, where=f"{place}: {m.where}") if m.where.startswith("[") else m for m in error.mistakes]
        raise InputError(named) from error


@contextmanager
def in_table(place: str) -> Iterator[None]:
    """Puts the table that asked for a file, such as ``[features.text] file``, before mistakes that name the file."""
    try:
        yield
    except InputError as error:
        named = [m if m.where.startswith("[") else replace(m, where=f"{place} {m.where}") for m in error.mistakes]
        raise InputError(named) from error


def cause_of(error: BaseException) -> str:
    """What a plugin's code raised, in one line: the error, and the last line of that code it came through."""
    said = str(error).strip().splitlines()
    text = f"{type(error).__name__}: {shown(said[0])}" if said else type(error).__name__
    places = [(Path(frame.filename), frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    theirs = [(path.name, line) for path, line in places if _is_plugins(path)]
    return f"{text} ({theirs[-1][0]}, line {theirs[-1][1]})" if theirs else text


def _is_plugins(path: Path) -> bool:
    libraries = {"torch", "numpy", "pluggy", "pydantic"}
    theirs = "site-packages" in path.parts or not path.is_relative_to(get_paths()["stdlib"])
    return (
        theirs
        and path.suffix == ".py"
        and not path.is_relative_to(Path(__file__).parent)
        and not libraries & {*path.parts}
    )


def did_you_mean(name: str, known: Iterable[str], summary: str = "") -> str:
    """Return a hint for an unknown name: the closest known name, and the list of known names.

    Args:
        name: the unknown name.
        known: the known names; a long list is cut off.
        summary: replaces the list where it helps nobody, such as ``there are 93 conversations``.
    """
    known = sorted(known)
    close = get_close_matches(shown(name), known, n=1)
    guess = f"did you mean '{close[0]}'? " if close else ""
    more = f" and {len(known) - MOST_NAMES} more" if len(known) > MOST_NAMES else ""
    return guess + (summary or f"there is: {', '.join(known[:MOST_NAMES]) or 'nothing'}{more}")


def missing_library(library: str, extra: str) -> InputError:
    """The error of a part whose optional library is not installed."""
    return InputError.at(library, "is needed here and is not installed", f"pip install 'ercfw[{extra}]'")
