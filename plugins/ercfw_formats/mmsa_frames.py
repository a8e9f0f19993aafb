"""Padded frames of MMSA's files: which of them are padding, and the others one after another.

Frames that hold only zeros at either end of an utterance are padding, except where the file tells the length:

- ``audio_lengths`` and ``vision_lengths`` give the number of frames. They are the first ones, or the last ones if the
  file pads in front.
- ``text_bert`` marks the tokens of the text. Frames of ``text`` after the last marked one are padding, even if they do
  not hold zeros.

Values that are not finite become 0, as MMSA reads them. They are 0 for the search for padding, too.
"""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ercfw import InputError, Key, PublishedFrames
from ercfw_formats import values
from ercfw_formats.mmsa_splits import Tables, of_each

BLOCK = 256
"""Number of utterances or frames that are searched at a time."""
WIDEST = 8
"""Bytes of the widest number that a feature store holds."""
MASK = 1
"""The place of the mask in ``text_bert``: token ids, mask, segments."""
Ends = tuple[NDArray[np.intp], NDArray[np.intp]]


class Conversation(NamedTuple):
    """A conversation: its name, its split by MMSA's name, and the rows of its utterances there, in order."""

    name: Key
    split: str
    rows: Sequence[int]


def read_frames(file: Path, tables: Tables, key: str, conversations: Sequence[Conversation]) -> PublishedFrames:
    """Read the frames of one modality without their padding; take them out of ``tables``, which frees their memory.

    Warns if values are not finite.

    Args:
        file: the file, for messages.
        tables: the content of the splits.
        key: ``text``, ``audio`` or ``vision``.
        conversations: the conversations in the order of the corpus.

    Raises:
        InputError: the values are not numbers ``[n, T, D]``, differ in D, or contradict their lengths.
    """
    ends = of_each(tables, lambda split, table: _ends(f"{file}: {split}", table, key))
    padded = {split: table.pop(key) for split, table in tables.items()}
    widths = {split: array.shape[2] for split, array in padded.items()}
    if len(set(widths.values())) > 1:
        found = ", ".join(f"{width} in {split}" for split, width in widths.items())
        raise InputError.at(f"{file}: {key}", f"differs in width: {found}")
    lengths = {c.name: [int(ends[c.split][1][row] - ends[c.split][0][row]) for row in c.rows] for c in conversations}
    shape = sum(map(sum, lengths.values())), next(iter(widths.values()))
    joined = np.empty(shape, np.result_type(*padded.values()))  # [F, D]
    place = 0
    for conversation in conversations:
        starts, stops = ends[conversation.split]
        for row in conversation.rows:
            frames = padded[conversation.split][row, starts[row] : stops[row]]  # [T, D]
            joined[place : place + len(frames)] = frames
            place += len(frames)
    if replaced := _to_finite(joined):
        warnings.warn(f"{file}: '{key}' holds {replaced} values that are not finite; they become 0", stacklevel=2)
    return PublishedFrames(joined, lengths)


def _ends(where: str, table: Mapping[str, Any], key: str) -> Ends:
    """Return the first frame of each utterance that is not padding, and the frame after the last one, ``[n]`` each.

    An utterance whose frames are all zero has none.

    Raises:
        InputError: the values are not frames, or their lengths do not fit them.
    """
    array = table[key]
    if not isinstance(array, np.ndarray):
        hint = "expected an array of numbers [n, T, D]"
        raise InputError.at(f"{where}: {key}", f"is not an array but of type {type(array).__name__}", hint)
    is_number = array.dtype.kind in "fiu" and array.dtype.itemsize <= WIDEST
    if not is_number or array.ndim != 3 or not array.shape[1] or not array.shape[2]:
        what = f"holds {array.dtype} of shape {list(array.shape)}"
        raise InputError.at(f"{where}: {key}", what, "expected numbers [n, T, D]")
    starts, stops = _content(array)
    given = f"{key}_lengths"
    if given in table:
        return _of_lengths(f"{where}: {given}", values.numbers(f"{where}: {given}", table[given]), array, starts, stops)
    if key == "text" and "text_bert" in table:
        marked = _marked(f"{where}: text_bert", table["text_bert"], array)
        # Frames of BERT begin with the first one; others, such as word vectors padded in front, are not marked.
        stops = np.where((stops > 0) & (starts == 0), marked, stops)  # [n]
    return starts, stops


def _content(array: NDArray[Any]) -> Ends:
    """Return the first frame of each utterance with a value other than 0, and the frame after the last one."""
    n, length, _ = array.shape
    is_content = np.empty((n, length), bool)  # [n, T]
    for place in range(0, n, BLOCK):
        block = array[place : place + BLOCK]
        is_content[place : place + BLOCK] = ((block != 0) & np.isfinite(block)).any(-1)
    is_empty = ~is_content.any(1)  # [n]
    starts = np.where(is_empty, 0, is_content.argmax(1))  # [n]
    return starts, np.where(is_empty, 0, length - is_content[:, ::-1].argmax(1))


def _of_lengths(
    where: str, given: Sequence[int], array: NDArray[Any], starts: NDArray[np.intp], stops: NDArray[np.intp]
) -> Ends:
    """Return the ends of utterances whose lengths are given.

    Raises:
        InputError: a length exceeds the frames, or there are other values than 0 beyond it.
    """
    longest = array.shape[1]
    beyond = [row for row, length in enumerate(given) if not 0 <= length <= longest]
    if beyond:
        what = f"utterance {beyond[0] + 1} has {given[beyond[0]]} frames ({len(beyond)} such lengths)"
        raise InputError.at(where, what, f"expected a number from 0 to {longest}")
    lengths = np.array(given, np.intp)  # [n]
    is_first, is_last = stops <= lengths, starts >= longest - lengths  # [n]
    wrong = np.flatnonzero(~is_first & ~is_last)
    if len(wrong):
        what = f"utterance {wrong[0] + 1} has values beyond its {given[wrong[0]]} frames ({len(wrong)} such utterances)"
        hint = "are they the lengths of other features? Without this key, zeros show the padding"
        raise InputError.at(where, what, hint)
    begins = np.where(is_first | (stops == 0), 0, longest - lengths)  # [n]
    return begins, np.where(stops == 0, 0, begins + lengths)


def _marked(where: str, tokens: Any, array: NDArray[Any]) -> NDArray[np.intp]:
    """Return the number of tokens of each text, ``[n]``.

    Raises:
        InputError: these are not the token ids, masks and segments of texts of these lengths.
    """
    length = array.shape[1]
    is_array = isinstance(tokens, np.ndarray) and tokens.dtype.kind in "fiub"
    if not is_array or tokens.shape != (len(array), 3, length):
        found = f"{tokens.dtype} of shape {list(tokens.shape)}" if isinstance(tokens, np.ndarray) else "no array"
        raise InputError.at(where, f"holds {found}", f"expected numbers {[len(array), 3, length]}")
    mask = tokens[:, MASK]  # [n, T]
    marked: NDArray[np.intp] = (mask == 1).sum(1)  # [n]
    wrong = np.flatnonzero((mask != (np.arange(length) < marked[:, None])).any(1))
    if len(wrong):
        hint = "expected 1 for each token, then 0 for the padding"
        raise InputError.at(where, f"the mask of utterance {wrong[0] + 1} is invalid ({len(wrong)} such masks)", hint)
    return marked


def _to_finite(joined: NDArray[Any]) -> int:
    """Replace values that are not finite by 0, and return their number."""
    replaced = 0
    for place in range(0, len(joined), BLOCK) if joined.dtype.kind == "f" else ():
        block = joined[place : place + BLOCK]
        wrong = ~np.isfinite(block)
        replaced += int(wrong.sum())
        block[wrong] = 0
    return replaced
