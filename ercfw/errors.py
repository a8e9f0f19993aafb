"""Define the errors that a user can meet. Each names the place, the fault and, if known, the fix."""

import re
import traceback
import warnings
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from sysconfig import get_paths

__all__ = [
    "BrokenClipError", "ErcfwError", "InputError", "Mistake", "RunError", "cause_of", "did_you_mean", "missing_library",
]  # fmt: skip

MOST_SHOWN = 50
"""Number of mistakes that one message shows."""
LONGEST = 500
"""Maximum number of characters of each piece of a message; the text of a file may be of any size."""
MOST_NAMES, LONGEST_HINT = 100, 2000
"""Maximum number of names that a hint lists, and of its characters."""


@dataclass(frozen=True)
class Mistake:
    """One mistake in the user's input.

    Attributes:
        where: the file, table and key, such as ``recipes/mine.toml: [fusion] width``.
        what: what is wrong there.
        hint: how to fix it; may be empty.
        missing: whether a file or folder is not there; ``ercfw validate`` then checks a recipe without it.
    """

    where: str
    what: str
    hint: str = ""
    missing: bool = False

    def __str__(self) -> str:
        hint = f" ({shown(self.hint, LONGEST_HINT)})" if self.hint else ""
        return f"{shown(self.where)}: {shown(self.what)}{hint}"


class ErcfwError(Exception):
    """An error that ends a command with one message and no traceback.

    Attributes:
        warnings: the warnings that were given before it; they are shown with it.
    """

    exit_code = 1
    warnings: tuple[str, ...] = ()


class InputError(ErcfwError):
    """The user's input is wrong. The error holds every mistake that was found."""

    exit_code = 2

    def __init__(self, mistakes: Sequence[Mistake]) -> None:
        self.mistakes = tuple(mistakes)
        more = len(self.mistakes) - MOST_SHOWN
        lines = [*map(str, self.mistakes[:MOST_SHOWN]), *([f"and {more} more mistakes"] if more > 0 else [])]
        super().__init__("\n".join(lines))

    def __reduce__(self) -> tuple[type["InputError"], tuple[tuple[Mistake, ...]]]:
        """Return how to unpickle the error in another process."""
        return type(self), (self.mistakes,)

    @classmethod
    def at(cls, where: object, what: str, hint: str = "") -> "InputError":
        """Return an error with a single mistake; the arguments are those of ``Mistake``."""
        return cls([Mistake(str(where), what, hint)])

    @classmethod
    def joined(cls, errors: Sequence["InputError"]) -> "InputError":
        """Return one error with the mistakes and the warnings of several."""
        error = cls([mistake for each in errors for mistake in each.mistakes])
        error.warnings = tuple(dict.fromkeys(warning for each in errors for warning in each.warnings))
        return error

    @classmethod
    def missing(cls, where: object, what: str, hint: str = "") -> "InputError":
        """Return the error of a file or folder that is not there; the arguments are those of ``Mistake``."""
        return cls([Mistake(str(where), what, hint, missing=True)])

    @classmethod
    def unreadable(cls, path: Path, error: OSError, hint: str = "") -> "InputError":
        """Return the error of a file or folder that the system cannot read."""
        gone = isinstance(error, FileNotFoundError | NotADirectoryError)
        return cls([Mistake(str(path), f"cannot be read: {error.strerror or error}", hint, gone)])


class RunError(ErcfwError):
    """The input is correct, but the run failed, for example because a loss is not a number or a disk is full."""


class BrokenClipError(ErcfwError):
    """A clip cannot be read. Its utterance is left out with a warning, and the work continues."""


def shown(text: str, longest: int = LONGEST) -> str:
    """Return a text as one line for a message: shortened in the middle, with control characters escaped.

    The text of a file may be of any length, and must not control the terminal that shows it.
    """
    if len(text) > longest:
        text = f"{text[: longest * 3 // 4]} ... {text[-longest // 4 :]}"
    if text.isprintable():
        return text
    text = re.sub(r"\s+", " ", text)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


class PeerGoneError(RunError):
    """Another process that shares the work has ended. That process, or the launcher, reports the reason."""

    def __init__(self) -> None:
        hint = "the launcher's report names it; the same command with --resume continues"
        super().__init__(f"another process has ended ({hint})")


@contextmanager
def with_warnings(given: Collection[str]) -> Iterator[None]:
    """Attach warnings that nobody has seen yet to an error that ends the block, also those added inside the block."""
    try:
        yield
    except ErcfwError as error:
        error.warnings = (*given, *error.warnings)
        for warning in given:
            error.add_note(f"warning: {warning}")  # for Python programs, whose tracebacks show notes
        raise


@contextmanager
def added_to(found: list[InputError]) -> Iterator[None]:
    """Add an error in the input that ends the block to a list, so that other checks can follow."""
    try:
        yield
    except InputError as error:
        found.append(error)


@contextmanager
def recorded_warnings() -> Iterator[list[str]]:
    """Collect the Python warnings of the block in a list, which is complete when the block ends.

    An error that ends the block carries them.
    """
    given: list[str] = []
    with with_warnings(given), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        try:
            yield given
        finally:
            given += [str(warning.message) for warning in caught]


def warnings_of(error: BaseException) -> list[str]:
    """Return the warnings that were given before an error, or before the errors that caused it, each once."""
    chain: list[BaseException] = []
    cause: BaseException | None = error
    while cause is not None and cause not in chain:  # an error in a clean-up may have the error before it as its cause
        chain.append(cause)
        cause = cause.__cause__
    found = [warning for each in chain if isinstance(each, ErcfwError) for warning in each.warnings]
    return list(dict.fromkeys(found))


@contextmanager
def in_recipe(place: str) -> Iterator[None]:
    """Add the recipe's file to mistakes that name only a table of it, such as ``[fusion] heads``."""
    try:
        yield
    except InputError as error:
        named = [replace(m, where=f"{place}: {m.where}") if m.where.startswith("[") else m for m in error.mistakes]
        raise InputError(named) from error


@contextmanager
def in_table(place: str) -> Iterator[None]:
    """Add the table that names a file, such as ``[features.text] file``, to mistakes that name only the file."""
    try:
        yield
    except InputError as error:
        named = [m if m.where.startswith("[") else replace(m, where=f"{place} {m.where}") for m in error.mistakes]
        raise InputError(named) from error


def cause_of(error: BaseException) -> str:
    """Describe an exception from a plugin's code in one line: the error and the last line of that code."""
    message = str(error).strip().splitlines()
    text = f"{type(error).__name__}: {shown(message[0])}" if message else type(error).__name__
    places = [(Path(frame.filename), frame.lineno) for frame in traceback.extract_tb(error.__traceback__)]
    in_plugin = [(path.name, line) for path, line in places if _is_plugin_code(path)]
    return f"{text} ({in_plugin[-1][0]}, line {in_plugin[-1][1]})" if in_plugin else text


def _is_plugin_code(path: Path) -> bool:
    libraries = {"torch", "numpy", "pluggy", "pydantic"}
    foreign = "site-packages" in path.parts or not path.is_relative_to(get_paths()["stdlib"])
    return (
        foreign
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
    return guess + (summary or f"known: {', '.join(known[:MOST_NAMES]) or 'none'}{more}")


def missing_library(library: str, extra: str) -> InputError:
    """Return the error for an optional library that is not installed."""
    return InputError.at(library, "is needed but not installed", f"pip install 'ercfw[{extra}]'")
