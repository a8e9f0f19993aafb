"""What stands in a public file, which may be anything, as conversations' ids, texts, numbers and values."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ercfw import InputError, Key

T = TypeVar("T")


def key_of(name: Any) -> Key:
    """A conversation's name: text, or a whole number of any type.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(name, str):
        return str(name)
    if isinstance(name, int | np.integer) and not isinstance(name, bool):
        return int(name)
    raise TypeError


def keys_of(where: str, listed: Any) -> list[Key]:
    """A list of conversations.

    Raises:
        InputError: it is none.
    """
    try:
        if isinstance(listed, list | tuple | np.ndarray):
            return [key_of(name) for name in listed]
        if isinstance(listed, set | frozenset):  # as Python 2 projects kept them; they have no order
            return sorted((key_of(name) for name in listed), key=lambda key: (isinstance(key, str), key))
    except TypeError:
        pass
    raise InputError.at(where, f"is no list of conversations: {type(listed).__name__}")


def per_conversation(where: str, table: Any, read: Callable[[str, Any], T]) -> dict[Key, T]:
    """A table of conversations, each of its values read.

    Raises:
        InputError: it is none, or a value is not what it should be.
    """
    if not isinstance(table, dict):
        raise InputError.at(where, f"is no dict of conversations: {type(table).__name__}")
    try:
        named = {key_of(name): value for name, value in table.items()}
    except TypeError:
        raise InputError.at(where, "names conversations by neither text nor numbers") from None
    return {key: read(f"{where}, conversation {key}", value) for key, value in named.items()}


def texts(where: str, values: Any) -> list[str]:
    """Texts, one an utterance; those that Python 2 wrote as UTF-8 are read as such."""
    found = _items(where, values)
    if not all(isinstance(text, str | int | np.integer) for text in found):
        raise InputError.at(where, "holds something else than texts")
    return [_repaired(str(text)) for text in found]


def _repaired(text: str) -> str:
    """UTF-8 that came as latin1, as all text of Python 2 does."""
    if text.isascii():
        return text
    try:
        return text.encode("latin1").decode("utf-8")
    except UnicodeError:
        return text


def numbers(where: str, values: Any) -> list[int]:
    """Whole numbers, one an utterance."""
    found = _items(where, values)
    array = np.asarray(found) if all(isinstance(n, int | float | np.number) for n in found) else None
    if array is None or array.ndim != 1 or (array.size and not np.array_equal(array, array.astype(np.int64))):
        raise InputError.at(where, "holds labels that are not whole numbers")
    whole: list[int] = array.astype(np.int64).tolist()
    return whole


def speakers(where: str, values: Any) -> list[str]:
    """Speakers, one an utterance: names as they are, one-hot ones by their place."""
    found = _items(where, values)
    if all(isinstance(one, str) for one in found):
        return [str(one) for one in found]
    if not all(map(_is_vector, found)):
        raise InputError.at(where, "holds speakers that are neither names nor one-hot")
    return [str(int(np.argmax(one))) if len(one) else "" for one in found]


def vectors(where: str, values: Any) -> NDArray[np.generic]:
    """Values ``[U, D]``, a row an utterance, in the type they have.

    Raises:
        InputError: they are ragged, or no numbers.
    """
    is_whole = isinstance(values, np.ndarray) and values.dtype != object
    array = np.asarray(values) if is_whole else _stacked(where, _items(where, values))
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise InputError.at(where, f"holds {array.dtype} of shape {list(array.shape)}", "numbers [U, D] are needed")
    return array


def _stacked(where: str, rows: Sequence[Any]) -> NDArray[np.generic]:
    if not all(map(_is_vector, rows)):
        raise InputError.at(where, "holds rows that are no vectors", "numbers [U, D] are needed")
    arrays = [np.asarray(row) for row in rows]
    widths = [array.shape for array in arrays]
    odd = next((place for place, width in enumerate(widths) if width != widths[0]), None)
    if odd is not None:
        what = f"is ragged: utterance {odd + 1} has shape {list(widths[odd])}, the first {list(widths[0])}"
        raise InputError.at(where, what)
    array: NDArray[np.generic] = np.stack(arrays) if arrays else np.zeros((0, 0))
    return array


def _is_vector(row: Any) -> bool:
    """Numbers, and no lists of lists: what refers to itself often could be larger than all memory."""
    if isinstance(row, np.ndarray):
        return row.ndim == 1 and row.dtype != object
    return isinstance(row, list | tuple) and all(isinstance(n, int | float | np.number) for n in row)


def _items(where: str, values: Any) -> Sequence[Any]:
    if isinstance(values, np.ndarray):
        values = list(values) if values.ndim else []
    if not isinstance(values, list | tuple):
        raise InputError.at(where, f"is no list of utterances: {type(values).__name__}")
    return values
