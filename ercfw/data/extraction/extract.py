"""Features from raw utterances: made once, by one process or several, and kept by what they were made from."""

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np

from ercfw.contract.conversation import Conversation, UtteranceId
from ercfw.contract.feature_table import FeatureTable
from ercfw.contract.interfaces import Broken, ClipExtractor, Extractor
from ercfw.data.extraction.cache import (
    Array,
    Made,
    cache_folder,
    content,
    content_of_clip,
    read,
    without_unreadable,
    write,
)
from ercfw.data.extraction.workers import WorkerPool, run_in_workers
from ercfw.errors import ErcfwError, RunError, cause_of

Progress = Callable[[str, int, int], None]
"""Told what is done, how much of it, and of how much."""


@dataclass(frozen=True)
class Extraction:
    """A modality of some conversations.

    Attributes:
        table: its values.
        broken: the utterances whose clip could not be read, and why; they are absent in the table.
    """

    table: FeatureTable
    broken: Mapping[UtteranceId, str]


@dataclass(frozen=True)
class Piece:
    """What is made and kept together: a conversation, or one utterance of it for extractors that read clips alone.

    Attributes:
        conversation: without the clips that cannot be opened.
        unreadable: why, by their place in it.
        path: where it is kept; None = there is no clip to read, so nothing is made.
    """

    conversation: Conversation
    unreadable: Mapping[int, Broken]
    path: Path | None


def extract(
    extractor: Extractor,
    name: str,
    conversations: Sequence[Conversation],
    progress: Progress,
    crew: WorkerPool | None = None,
) -> Extraction:
    """A modality of all these conversations.

    What was made before, from the same content by the same extractor, is read from the cache; each piece is
    written whole when it is made, so a killed extraction goes on where it was. The values are mapped from
    a file, since they may be more than memory holds.

    Args:
        extractor: what makes them.
        name: as recipes and messages call it.
        conversations: in the order of the table's rows.
        progress: told of each piece that is made.
        crew: further processes to make them in; None = this one makes all.

    Raises:
        RunError: the extractor failed, did not give what it promised, or the cache cannot be written.
    """
    folder = cache_folder() / "features" / f"{name}-{extractor.fingerprint[:16]}"
    pieces = [piece for conversation in conversations for piece in _pieces(extractor, conversation, folder)]
    missing = {piece.path: piece for piece in pieces if piece.path is not None and not piece.path.is_file()}
    for done, _ in enumerate(run_in_workers(crew, extractor, name, list(missing.values()), make), 1):
        progress(f"extracting {name}", done, len(missing))
    broken: dict[UtteranceId, str] = {}
    arrays = _arrays(extractor, name, pieces, broken)
    return Extraction(_table(conversations, arrays, extractor, name, folder), broken)


def make(extractor: Extractor, name: str, piece: Piece) -> None:
    """Make a piece and keep it.

    Raises:
        RunError: the extractor failed, did not give what it promised, or the cache cannot be written.
    """
    if piece.path is not None:
        write(piece.path, _run(extractor, name, piece.conversation))


def _pieces(extractor: Extractor, conversation: Conversation, folder: Path) -> Iterator[Piece]:
    if isinstance(extractor, ClipExtractor):
        for place in range(len(conversation)):
            one, unreadable = without_unreadable(conversation.only(slice(place, place + 1)))
            clip = one.clips[0]
            path = None if clip is None else folder / f"{content_of_clip(clip)}.safetensors"
            yield Piece(one, unreadable, path)
        return
    unreadable = {}
    if extractor.reads != "text":
        conversation, unreadable = without_unreadable(conversation)
    yield Piece(conversation, unreadable, folder / f"{content(extractor.reads, conversation)}.safetensors")


def _arrays(
    extractor: Extractor, name: str, pieces: Iterable[Piece], broken: dict[UtteranceId, str]
) -> Iterator[Array | None]:
    """One of each utterance, from the cache. Fills ``broken``."""
    for piece in pieces:
        found = _kept(extractor, name, piece) if piece.path is not None else [None]
        for place, (id, array) in enumerate(zip(piece.conversation.ids, found, strict=True)):
            array = piece.unreadable.get(place, array)
            if isinstance(array, Broken):
                broken[id] = array.why
                array = None
            yield array


def _kept(extractor: Extractor, name: str, piece: Piece) -> Made:
    """What the cache holds of a piece; what is damaged there is made again."""
    assert piece.path is not None
    for _ in range(2):
        found = read(piece.path, len(piece.conversation))
        if found is not None and _fits(found, extractor):
            return found
        make(extractor, name, piece)
    raise RunError(f"{piece.path}: cannot be read though it was just written")


def _fits(made: Made, extractor: Extractor) -> bool:
    return all(_is_promised(array, extractor) for array in made if isinstance(array, np.ndarray))


def _run(extractor: Extractor, name: str, conversation: Conversation) -> Made:
    """The arrays of a conversation, checked before they are kept."""
    where = f"extractor '{name}', conversation {conversation.id}"
    try:
        arrays = list(extractor.extract(conversation))
    except ErcfwError:
        raise
    except Exception as error:
        raise RunError(f"{where}: failed: {cause_of(error)}") from error
    if len(arrays) != len(conversation):
        raise RunError(f"{where}: gave {len(arrays)} arrays for {len(conversation)} utterances")
    for array, utterance in zip(arrays, conversation.utterances, strict=True):
        if array is not None and not isinstance(array, Broken) and not _is_promised(array, extractor):
            what = f"{array.dtype} of shape {list(array.shape)}" if isinstance(array, np.ndarray) else repr(array)
            raise RunError(f"{where}, utterance {utterance}: gave {what}, not {_promise(extractor)}")
    return arrays


def _promise(extractor: Extractor) -> str:
    """In words, what ``kind`` and ``dim`` say."""
    if extractor.kind == "tokens":
        return f"int64 [T] from 0 to {extractor.dim - 1}"
    return f"finite float32 [{'T, ' if extractor.kind == 'frames' else ''}{extractor.dim}]"


def _is_promised(array: Any, extractor: Extractor) -> bool:
    if not isinstance(array, np.ndarray):
        return False
    if extractor.kind == "tokens":
        fits = array.dtype == np.int64 and array.ndim == 1
        return fits and bool((array >= 0).all() and (array < extractor.dim).all())
    fits = array.dtype == np.float32 and array.ndim == (1 if extractor.kind == "vector" else 2)
    return fits and array.shape[-1] == extractor.dim and bool(np.isfinite(array).all())


def _table(
    conversations: Sequence[Conversation],
    arrays: Iterable[Array | None],
    extractor: Extractor,
    name: str,
    folder: Path,
) -> FeatureTable:
    """The arrays after one another, in a file without a name that lasts as long as the table."""
    vectors = extractor.kind == "vector"
    dtype = np.dtype(np.int64 if extractor.kind == "tokens" else np.float32)
    width: tuple[int, ...] = () if extractor.kind == "tokens" else (extractor.dim,)
    present: list[bool] = []
    lengths: list[int] = []
    with _unnamed_file(folder) as file:
        for row, array in enumerate(arrays):
            present.append(array is not None)
            lengths.append(0 if array is None else len(array))
            if array is not None:
                if vectors:
                    file.seek(row * array.nbytes)  # past those that are absent: they are zeros
                file.write(np.ascontiguousarray(array).data)
        shape = (len(present) if vectors else sum(lengths), *width)
        file.truncate(max(1, math.prod(shape) * dtype.itemsize))  # nothing at all cannot be mapped
        values = np.memmap(file, dtype, "r", shape=shape).view(np.ndarray)
    return FeatureTable(
        ids=tuple(id for conversation in conversations for id in conversation.ids),
        values=values,
        present=np.array(present, dtype=bool),
        lengths=None if vectors else np.array(lengths, dtype=np.int64),
        made_by={"extractor": name, "fingerprint": extractor.fingerprint},
        fitted_on=extractor.fitted_on(conversations),
        vocabulary=extractor.dim if extractor.kind == "tokens" else None,
        where=f"extractor '{name}'",
    )


@contextmanager
def _unnamed_file(folder: Path) -> Iterator[IO[bytes]]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder if os.access(folder, os.W_OK) else None) as file:
            yield file
    except OSError as error:
        raise RunError(f"{folder}: cannot be written: {error.strerror or error}") from error
