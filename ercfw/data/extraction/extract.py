"""Extract features from raw utterances once, in one process or several, and cache them by content."""

import math
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO

import numpy as np

from ercfw.contract.conversation import Conversation, UtteranceId
from ercfw.contract.feature_table import FeatureTable
from ercfw.contract.interfaces import Broken, ClipExtractor, Extractor
from ercfw.contract.optional_parts import SupportsCutTexts, SupportsSource
from ercfw.data.extraction.cache import (
    ELSEWHERE,
    Array,
    Extracted,
    clip_hash,
    conversation_hash,
    read,
    read_cut,
    without_unreadable,
    write,
)
from ercfw.data.extraction.declared_kind import as_declared, declared, describe_array
from ercfw.data.extraction.workers import WorkerPool, run_in_workers
from ercfw.errors import ErcfwError, RunError, cause_of
from ercfw.system.progress import Progress
from ercfw.system.user_folders import cache_folder


@dataclass(frozen=True)
class Extraction:
    """The values of a modality for some conversations.

    Attributes:
        table: the values.
        broken: the utterances whose clip could not be read, with the reason; they are absent in the table.
        cut: the utterances of which only the beginning of the text was read.
    """

    table: FeatureTable
    broken: Mapping[UtteranceId, str]
    cut: tuple[UtteranceId, ...] = ()


@dataclass(frozen=True)
class Piece:
    """The unit of work and of caching: a conversation, or one utterance for extractors that read single clips.

    Attributes:
        conversation: the conversation without the clips that cannot be opened.
        unreadable: the reasons why clips cannot be opened, by position in the conversation.
        path: the file of the cache; None if there is no clip to read, so nothing is made.
    """

    conversation: Conversation
    unreadable: Mapping[int, Broken]
    path: Path | None


def extract(
    extractor: Extractor,
    name: str,
    conversations: Sequence[Conversation],
    progress: Progress,
    workers: WorkerPool | None = None,
) -> Extraction:
    """Extract a modality of all these conversations.

    Pieces that the same extractor made before from the same content are read from the cache. Each piece is written
    atomically as soon as it is made, so a killed extraction resumes where it stopped. The values are memory-mapped
    from a file, since they may be larger than memory.

    Args:
        extractor: the extractor.
        name: the name of the extractor in recipes and messages.
        conversations: the conversations, in the order of the rows of the table.
        progress: called for each piece that is made.
        workers: worker processes; None means that this process makes all pieces.

    Raises:
        RunError: the extractor failed, returned what it does not declare, or the cache cannot be written.
    """
    if isinstance(extractor, SupportsSource):
        source, select = extractor.source(), _checked(extractor, extractor.select, name)
    else:
        source, select = extractor, _as_it_is
    folder = cache_folder() / "features" / f"{name}-{source.fingerprint[:16]}"
    pieces = [piece for conversation in conversations for piece in _pieces(source, conversation, folder)]
    missing = {piece.path: piece for piece in pieces if piece.path is not None and not piece.path.is_file()}
    made = run_in_workers(workers, source, name, list(missing.values()), make_piece, lose_piece)
    with closing(made):
        for done, _ in enumerate(made, 1):
            progress(f"extracting {name}", done, len(missing))
    arrays = (
        (id, select(array) if isinstance(array, np.ndarray) else array) for id, array in _arrays(source, name, pieces)
    )
    collected = _collect(arrays, conversations, extractor, name, folder)
    return replace(collected, cut=tuple(_cut(source, name, pieces)))


def _as_it_is(features: Array) -> Array:
    return features


def _checked(extractor: Extractor, choose: Callable[[Array], Array], name: str) -> Callable[[Array], Array]:
    """Return a function that selects features and checks that they are as the extractor declares."""

    def select(features: Array) -> Array:
        selected = choose(features)
        if not as_declared(selected, extractor):
            what = f"selected {describe_array(selected)}, but declares {declared(extractor)}"
            raise RunError(f"extractor '{name}': {what}")
        return selected

    return select


def make_piece(extractor: Extractor, name: str, piece: Piece) -> None:
    """Make a piece and write it to the cache.

    Raises:
        RunError: the extractor failed, returned what it does not declare, or the cache cannot be written.
    """
    if piece.path is not None:
        made = _run(extractor, name, piece.conversation)
        write(piece.path, made, cut_texts(extractor, name, piece.conversation))


def lose_piece(piece: Piece, why: str) -> None:
    """Write to the cache that the clips of a piece cannot be read.

    Raises:
        RunError: the cache cannot be written.
    """
    if piece.path is not None:
        write(piece.path, [None if clip is None else Broken(why) for clip in piece.conversation.clips])


def cut_texts(extractor: Extractor, name: str, conversation: Conversation) -> list[int] | None:
    """Return the positions of the utterances whose text the extractor cuts; None if it does not tell them.

    Raises:
        RunError: the extractor failed.
    """
    if not isinstance(extractor, SupportsCutTexts):
        return None
    try:
        return sorted({int(place) for place in extractor.cut_texts(conversation)})
    except ErcfwError:
        raise
    except Exception as error:
        where = f"extractor '{name}', conversation {conversation.id}"
        raise RunError(f"{where}: failed to find texts that it cuts: {cause_of(error)}") from error


def _cut(extractor: Extractor, name: str, pieces: Iterable[Piece]) -> Iterator[UtteranceId]:
    """Yield the utterances whose texts are cut; features in the cache of an older version do not state them."""
    if not isinstance(extractor, SupportsCutTexts):
        return
    for piece in pieces:
        places = None if piece.path is None else read_cut(piece.path, len(piece.conversation))
        if places is None:
            places = cut_texts(extractor, name, piece.conversation) or []
        yield from (piece.conversation.ids[place] for place in places)


def _pieces(extractor: Extractor, conversation: Conversation, folder: Path) -> Iterator[Piece]:
    if isinstance(extractor, ClipExtractor):
        for place in range(len(conversation)):
            one, unreadable = without_unreadable(conversation.only(slice(place, place + 1)))
            clip = one.clips[0]
            path = None if clip is None else folder / f"{clip_hash(clip)}.safetensors"
            yield Piece(one, unreadable, path)
        return
    unreadable = {}
    if extractor.reads != "text":
        conversation, unreadable = without_unreadable(conversation)
    yield Piece(conversation, unreadable, folder / f"{conversation_hash(extractor.reads, conversation)}.safetensors")


def _arrays(
    extractor: Extractor, name: str, pieces: Iterable[Piece]
) -> Iterator[tuple[UtteranceId, Array | Broken | None]]:
    """Yield the id and the cached array of each utterance."""
    for piece in pieces:
        found = _read_piece(extractor, name, piece) if piece.path is not None else [None]
        for place, (id, array) in enumerate(zip(piece.conversation.ids, found, strict=True)):
            yield id, piece.unreadable.get(place, array)


def _read_piece(extractor: Extractor, name: str, piece: Piece) -> Extracted:
    """Return a piece from the cache; make it again if it is damaged there."""
    assert piece.path is not None
    for _ in range(2):
        found = read(piece.path, len(piece.conversation))
        if found is not None and all(as_declared(array, extractor) for array in found if isinstance(array, np.ndarray)):
            return found
        make_piece(extractor, name, piece)
    raise RunError(f"{piece.path}: cannot be read although it was just written (check the disk)")


def _run(extractor: Extractor, name: str, conversation: Conversation) -> Extracted:
    """Run the extractor on a conversation and check the arrays that it returns."""
    where = f"extractor '{name}', conversation {conversation.id}"
    try:
        arrays = list(extractor.extract(conversation))
    except ErcfwError:
        raise
    except Exception as error:
        raise RunError(f"{where}: failed: {cause_of(error)}") from error
    if len(arrays) != len(conversation):
        raise RunError(f"{where}: returned {len(arrays)} arrays for {len(conversation)} utterances")
    for array, utterance in zip(arrays, conversation.utterances, strict=True):
        if array is not None and not isinstance(array, Broken) and not as_declared(array, extractor):
            what = f"returned {describe_array(array)}, but declares {declared(extractor)}"
            raise RunError(f"{where}, utterance {utterance}: {what}")
    return arrays


def _collect(
    arrays: Iterable[tuple[UtteranceId, Array | Broken | None]],
    conversations: Sequence[Conversation],
    extractor: Extractor,
    name: str,
    folder: Path,
) -> Extraction:
    """Write the arrays one after another to an unnamed file, which lasts as long as the table."""
    vectors = extractor.kind == "vector"
    dtype = np.dtype(np.int64 if extractor.kind == "tokens" else np.float32)
    width: tuple[int, ...] = () if extractor.kind == "tokens" else (extractor.dim,)
    present: list[bool] = []
    lengths: list[int] = []
    broken: dict[UtteranceId, str] = {}
    with _unnamed_file(folder) as file:
        for row, (id, array) in enumerate(arrays):
            if isinstance(array, Broken):
                broken[id] = array.why
                array = None
            present.append(array is not None)
            lengths.append(0 if array is None else len(array))
            if array is not None:
                if vectors:
                    file.seek(row * array.nbytes)  # skip absent rows, which are zeros
                file.write(np.ascontiguousarray(array).data)
        shape = (len(present) if vectors else sum(lengths), *width)
        file.truncate(max(1, math.prod(shape) * dtype.itemsize))  # an empty file cannot be mapped
        values = np.memmap(file, dtype, "r", shape=shape).view(np.ndarray)
    table = FeatureTable(
        ids=tuple(id for conversation in conversations for id in conversation.ids),
        values=values,
        present=np.array(present, dtype=bool),
        lengths=None if vectors else np.array(lengths, dtype=np.int64),
        provenance={"extractor": name, "fingerprint": extractor.fingerprint},
        fitted_on=extractor.fitted_on(conversations),
        vocabulary=extractor.dim if extractor.kind == "tokens" else None,
        where=f"extractor '{name}'",
    )
    return Extraction(table, broken)


@contextmanager
def _unnamed_file(folder: Path) -> Iterator[IO[bytes]]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder if os.access(folder, os.W_OK) else None) as file:
            yield file
    except OSError as error:
        raise RunError(f"{folder}: cannot be written: {error.strerror or error} ({ELSEWHERE})") from error
