"""Features from raw utterances: made once, cached on disk by the content they were made from."""

import hashlib
import json
import math
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from ercfw.conversations import Conversation, UtteranceId
from ercfw.errors import ErcfwError, InputError, RunError, cause_of
from ercfw.features import FeatureTable
from ercfw.files import replacing, sha256
from ercfw.interfaces import Extractor

Progress = Callable[[str, int, int], None]
"""Told what is done, how much of it, and of how much."""

Array = NDArray[Any]


def cache_folder() -> Path:
    """``ERCFW_CACHE``, else ``ercfw`` in the user's cache folder."""
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("ERCFW_CACHE") or user / "ercfw")


def extract(extractor: Extractor, name: str, conversations: Sequence[Conversation], progress: Progress) -> FeatureTable:
    """A modality of all these conversations.

    What was made before, from the same content by the same extractor, is read from the cache; each
    conversation is written whole when it is made, so a killed extraction goes on where it was. The values
    are mapped from a file, since they may be more than memory holds.

    Raises:
        RunError: the extractor failed, did not give what it promised, or the cache cannot be written.
    """
    folder = cache_folder() / "features" / f"{name}-{extractor.fingerprint[:16]}"
    ids = tuple(id for conversation in conversations for id in conversation.ids)
    return _table(ids, _arrays(extractor, name, conversations, folder, progress), extractor, name, folder)


def _arrays(
    extractor: Extractor, name: str, conversations: Sequence[Conversation], folder: Path, progress: Progress
) -> Iterator[Array | None]:
    """One of each utterance, from the cache, or made and written there."""
    for number, conversation in enumerate(conversations, 1):
        path = folder / f"{_content(extractor.reads, conversation)}.safetensors"
        found = _read(path, len(conversation))
        if found is None:
            found = _run(extractor, name, conversation)
            _write(path, found)
        yield from found
        progress(f"extracting {name}", number, len(conversations))


def _content(reads: str, conversation: Conversation) -> str:
    """A hash of all that an extractor may read of a conversation."""
    said: Iterable[Any] = zip(conversation.speakers, conversation.texts, strict=True)
    if reads != "text":
        clips = conversation.media or (None,) * len(conversation)
        try:
            hashes = [sha256(clip) if clip else None for clip in clips]
        except OSError as error:
            raise InputError.at(str(error.filename), f"cannot be read: {error.strerror}") from error
        said = zip(conversation.speakers, hashes, strict=True)
    return hashlib.sha256(json.dumps(list(said)).encode()).hexdigest()


def _read(path: Path, utterances: int) -> list[Array | None] | None:
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError):
        return None
    return [tensors.get(str(number)) for number in range(utterances)]


def _write(path: Path, arrays: Sequence[Array | None]) -> None:
    there = {str(number): np.ascontiguousarray(array) for number, array in enumerate(arrays) if array is not None}
    with replacing(path) as temporary:
        save_file(there, temporary)


def _run(extractor: Extractor, name: str, conversation: Conversation) -> list[Array | None]:
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
        if array is not None and not _is_promised(array, extractor.dim):
            what = f"{array.dtype} of shape {list(array.shape)}" if isinstance(array, np.ndarray) else repr(array)
            raise RunError(
                f"{where}, utterance {utterance}: gave {what}, not finite float32 [{extractor.dim}] or "
                f"[T, {extractor.dim}], or int64 [T]"
            )
    return arrays


def _is_promised(array: Any, dim: int) -> bool:
    if not isinstance(array, np.ndarray):
        return False
    if array.dtype == np.int64:
        return array.ndim == 1
    fits = array.dtype == np.float32 and array.ndim in (1, 2) and array.shape[-1] == dim
    return fits and bool(np.isfinite(array).all())


def _table(
    ids: tuple[UtteranceId, ...], arrays: Iterable[Array | None], extractor: Extractor, name: str, folder: Path
) -> FeatureTable:
    """The arrays after one another, in a file without a name that lasts as long as the table."""
    like: Array = np.zeros(extractor.dim, np.float32)  # a vector, unless another array comes
    kinds: set[tuple[int, str]] = set()
    present: list[bool] = []
    lengths: list[int] = []
    with _unnamed_file(folder) as file:
        for row, array in enumerate(arrays):
            present.append(array is not None)
            lengths.append(0 if array is None else len(array))
            if array is not None:
                like = array
                kinds.add((array.ndim, array.dtype.kind))
                if _is_vector(array):
                    file.seek(row * array.nbytes)  # past those that are absent: they are zeros
                file.write(np.ascontiguousarray(array).data)
        shape = (len(present), *like.shape) if _is_vector(like) else (sum(lengths), *like.shape[1:])
        file.truncate(max(1, math.prod(shape) * like.itemsize))  # nothing at all cannot be mapped
        values = np.memmap(file, like.dtype, "r", shape=shape).view(np.ndarray)
    if len(kinds) > 1:
        raise RunError(f"extractor '{name}' gave vectors, frames or tokens in turn; a stream is one of them")
    return FeatureTable(
        ids=ids,
        values=values,
        present=np.array(present, dtype=bool),
        lengths=None if _is_vector(like) else np.array(lengths, dtype=np.int64),
        made_by={"extractor": name, "fingerprint": extractor.fingerprint},
        fitted_on="nothing",
        where=f"extractor '{name}'",
    )


def _is_vector(array: Array) -> bool:
    return array.ndim == 1 and array.dtype.kind == "f"


@contextmanager
def _unnamed_file(folder: Path) -> Iterator[IO[bytes]]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with TemporaryFile(dir=folder if os.access(folder, os.W_OK) else None) as file:
            yield file
    except OSError as error:
        raise RunError(f"{folder}: cannot be written: {error.strerror or error}") from error
