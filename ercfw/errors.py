"""The errors a user can meet: each says what is wrong, where, and what would be right."""

import traceback
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from sysconfig import get_paths


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
        return f"{self.where}: {self.what}" + (f" ({self.mend})" if self.mend else "")


class ErcfwError(Exception):
    """Ends a command with one message and without a traceback."""

    exit_code = 1


class InputError(ErcfwError):
    """The user's input is wrong; holds every mistake that was found."""

    exit_code = 2

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        super().__init__("\n".join(str(mistake) for mistake in self.mistakes))

    @classmethod
    def at(cls, where: object, what: str, mend: str = "") -> "InputError":
        """The error of a single mistake."""
        return cls([Mistake(str(where), what, mend)])


class RunError(ErcfwError):
    """The input was right, but the run failed: a loss that is not a number, a full disk."""


@contextmanager
def in_recipe(place: str) -> Iterator[None]:
    """Puts the recipe's file before mistakes that name only a table of it, such as ``[fusion] heads``."""
    try:
        yield
    except InputError as error:
        named = [replace(m, where=f"{place}: {m.where}") if m.where.startswith("[") else m for m in error.mistakes]
        raise InputError(named) from error


def cause_of(error: BaseException) -> str:
    """What a plugin's code raised, in one line: the error, and the last line of that code it came through."""
    said = str(error).strip().splitlines()
    text = f"{type(error).__name__}: {said[0]}" if said else type(error).__name__
    places = [(Path(frame.filename), frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    theirs = [(path.name, line) for path, line in places if _is_plugins(path)]
    return f"{text} ({theirs[-1][0]}, line {theirs[-1][1]})" if theirs else text


def _is_plugins(path: Path) -> bool:
    libraries = {"torch", "numpy", "pluggy", "pydantic"}
    theirs = "site-packages" in path.parts or not path.is_relative_to(get_paths()["stdlib"])
    return theirs and path.suffix == ".py" and path.parent != Path(__file__).parent and not libraries & {*path.parts}


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A hint for an unknown name: the closest known one, and all there are."""
    known = sorted(known)
    close = get_close_matches(name, known, n=1)
    guess = f"did you mean '{close[0]}'? " if close else ""
    return f"{guess}there is: {', '.join(known) or 'nothing'}"


def missing_library(library: str, extra: str) -> InputError:
    """The error of a part whose optional library is not installed."""
    return InputError.at(library, "is needed here and is not installed", f"pip install 'ercfw[{extra}]'")
