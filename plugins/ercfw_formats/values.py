"""Checks that turn the unknown content of a public file into keys, texts, numbers, speakers and vectors."""

from collections.abc import Callable, Collection, Sequence, Sized
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ercfw import InputError, Key

T = TypeVar("T")
WORD = 2**63
"""Limit of whole numbers: 64 bits."""
TIMES, ROOM = 64, 2**22
"""How much larger values may be than the different ones among them, besides ``ROOM``. A pickle can name one long row,
text or list a million times, and copies of it would take all memory."""


def key_of(name: Any) -> Key:
    """Return the name of a conversation, text or a whole number of at most 64 bits, as ``str`` or ``int``.

    Raises:
        TypeError: the name is neither.
    """
    if isinstance(name, str):
        return str(name)
    if _is_whole(name) and not isinstance(name, bool):
        return int(name)
    raise TypeError


def _is_whole(value: Any) -> bool:
    return isinstance(value, int | np.integer) and bool(-WORD <= value < WORD)


def keys_of(where: str, listed: Any) -> list[Key]:
    """Return the conversations in a list; those of a set in sorted order.

    Raises:
        InputError: ``listed`` is not a list of conversations.
    """
    try:
        if isinstance(listed, list | tuple | np.ndarray):
            return [key_of(name) for name in listed]
        if isinstance(listed, set | frozenset):  # projects in Python 2 used sets, which have no order
            return sorted((key_of(name) for name in listed), key=lambda key: (isinstance(key, str), key))
    except TypeError:
        pass
    raise InputError.at(where, f"is not a list of conversations but of type {type(listed).__name__}")


def per_conversation(where: str, table: Any, read: Callable[[str, Any], T]) -> dict[Key, T]:
    """Apply ``read`` to the value of each conversation in a table; to a value that several share, once.

    Raises:
        InputError: ``table`` is not a dict of conversations, or a value cannot be read.
    """
    if not isinstance(table, dict):
        raise InputError.at(where, f"is not a dict of conversations but of type {type(table).__name__}")
    try:
        named = {key_of(name): value for name, value in table.items()}
    except TypeError:
        raise InputError.at(where, "has names of conversations that are neither text nor whole numbers") from None
    _check_repeats(where, table.values())
    found: dict[int, T] = {}
    for key, value in named.items():
        if id(value) not in found:
            found[id(value)] = read(f"{where}, conversation {key}", value)
    return {key: found[id(value)] for key, value in named.items()}


def texts(where: str, values: Any) -> list[str]:
    """Return texts, one per utterance; UTF-8 that Python 2 wrote is decoded.

    Raises:
        InputError: ``values`` is not a list, or a value is neither text nor a whole number of at most 64 bits.
    """
    found = _items(where, values)
    if not all(isinstance(text, str) or _is_whole(text) for text in found):
        raise InputError.at(where, "holds values that are not texts")
    _check_repeats(where, found)
    return [_repaired(str(text)) for text in found]


def _repaired(text: str) -> str:
    """Return UTF-8 text that was read as latin1, like all text of Python 2, in its right form."""
    if text.isascii():
        return text
    try:
        return text.encode("latin1").decode("utf-8")
    except UnicodeError:
        return text


def numbers(where: str, values: Any) -> list[int]:
    """Return whole numbers, one per utterance.

    Raises:
        InputError: ``values`` is not a list, or a value is not a whole number of at most 64 bits.
    """
    found = _items(where, values)
    whole = [_whole_number(value) for value in found]
    if None in whole:
        odd = next(value for value, number in zip(found, whole, strict=True) if number is None)
        too_large = isinstance(odd, int | np.integer)
        what = "a label that does not fit in 64 bits" if too_large else "labels that are not whole numbers"
        raise InputError.at(where, f"holds {what}", "expected the number of a class, from 0")
    return [number for number in whole if number is not None]


def reals(where: str, values: Any) -> NDArray[np.float32]:
    """Return numbers, one per utterance, ``[U]``; those beyond float32 become infinite.

    Raises:
        InputError: ``values`` is not a list, or a value is not a number.
    """
    found = _items(where, values)
    if not all(isinstance(value, int | float | np.integer | np.floating) and _fits(value) for value in found):
        raise InputError.at(where, "holds values that are not numbers")
    with np.errstate(over="ignore"):
        return np.array(found, np.float64).astype(np.float32)


def _fits(value: Any) -> bool:
    return not isinstance(value, int) or _is_whole(value)


def _whole_number(value: Any) -> int | None:
    """Return a value as a whole number of at most 64 bits; None if it is none."""
    if isinstance(value, float | np.floating):
        return int(value) if np.isfinite(value) and value == int(value) and _is_whole(int(value)) else None
    return int(value) if _is_whole(value) else None


def speakers(where: str, values: Any) -> list[str]:
    """Return speakers, one per utterance: names unchanged, one-hot vectors as the place of their largest value.

    Raises:
        InputError: ``values`` is not a list, or holds neither names nor vectors.
    """
    found = _items(where, values)
    if all(isinstance(one, str) for one in found):
        return [str(one) for one in found]
    _check_repeats(where, found)
    if not all(map(_is_vector, found)):
        raise InputError.at(where, "holds speakers that are neither names nor one-hot vectors")
    return [str(int(np.argmax(one))) if len(one) else "" for one in found]


def vectors(where: str, values: Any) -> NDArray[np.generic]:
    """Return values ``[U, D]``, one row per utterance, in their own type.

    Raises:
        InputError: the values are ragged or are not numbers.
    """
    is_whole = isinstance(values, np.ndarray) and values.dtype != object
    array = np.asarray(values) if is_whole else _stacked(where, _items(where, values))
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise InputError.at(where, f"holds {array.dtype} of shape {list(array.shape)}", "expected numbers [U, D]")
    return array


def _stacked(where: str, rows: Sequence[Any]) -> NDArray[np.generic]:
    _check_repeats(where, rows)
    if not all(map(_is_vector, rows)):
        raise InputError.at(where, "holds rows that are not vectors", "expected numbers [U, D]")
    arrays = [np.asarray(row) for row in rows]
    widths = [array.shape for array in arrays]
    odd = next((place for place, width in enumerate(widths) if width != widths[0]), None)
    if odd is not None:
        what = f"is ragged: utterance {odd + 1} has shape {list(widths[odd])}, the first has {list(widths[0])}"
        raise InputError.at(where, what)
    array: NDArray[np.generic] = np.stack(arrays) if arrays else np.zeros((0, 0))
    return array


def _check_repeats(where: str, values: Collection[Any]) -> None:
    """Check that values are not much larger than the different objects among them.

    Raises:
        InputError: few of them are repeated too often.
    """
    sizes = {id(value): _length(value) for value in values}
    if sum(sizes[id(value)] for value in values) > TIMES * sum(sizes.values()) + ROOM:
        raise InputError.at(where, "repeats few values too often", "every utterance needs its own")


def _length(value: Any) -> int:
    if isinstance(value, np.ndarray):
        return int(value.size)
    return len(value) if isinstance(value, Sized) else 1


def _is_vector(row: Any) -> bool:
    """Return whether a row is a flat vector of numbers.

    Lists of lists are refused, because a list that refers to itself many times could outgrow the memory.
    """
    if isinstance(row, np.ndarray):
        return row.ndim == 1 and row.dtype != object
    return isinstance(row, list | tuple) and all(isinstance(n, int | float | np.number) for n in row)


def _items(where: str, values: Any) -> Sequence[Any]:
    if isinstance(values, np.ndarray):
        values = list(values) if values.ndim else []
    if not isinstance(values, list | tuple):
        raise InputError.at(where, f"is not a list of utterances but of type {type(values).__name__}")
    return values
