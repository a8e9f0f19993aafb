"""Features from raw utterances: made once, cached on disk by the content they were made from."""

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from ercfw.conversations import Conversation
from ercfw.errors import ErcfwError, RunError, cause_of
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
    conversation is written whole when it is made, so a killed extraction goes on where it was.

    Raises:
        RunError: the extractor failed, did not give what it promised, or the cache cannot be written.
    """
    folder = cache_folder() / "features" / f"{name}-{extractor.fingerprint[:16]}"
    arrays: list[Array | None] = []
    for number, conversation in enumerate(conversations):
        path = folder / f"{_content(extractor.reads, conversation)}.safetensors"
        found = _read(path, len(conversation))
        if found is None:
            found = _run(extractor, name, conversation)
            _write(path, found)
        arrays += found
        progress(f"extracting {name}", number + 1, len(conversations))
    ids = tuple(id for conversation in conversations for id in conversation.ids)
    return _table(ids, arrays, extractor, name)


def _content(reads: str, conversation: Conversation) -> str:
    """A hash of all that an extractor may read of a conversation."""
    said: Iterable[Any] = zip(conversation.speakers, conversation.texts, strict=True)
    if reads != "text":
        clips = conversation.media or (None,) * len(conversation)
        said = [
            (speaker, sha256(clip) if clip else None)
            for speaker, clip in zip(conversation.speakers, clips, strict=True)
        ]
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
    ids: tuple[tuple[str, str], ...], arrays: list[Array | None], extractor: Extractor, name: str
) -> FeatureTable:
    present = np.array([array is not None for array in arrays])
    first = next((array for array in arrays if array is not None), np.zeros(extractor.dim, np.float32))
    kinds = {(array.ndim, array.dtype.kind) for array in arrays if array is not None}
    if len(kinds) > 1:
        raise RunError(f"extractor '{name}' gave vectors, frames or tokens in turn; a stream is one of them")
    about: dict[str, Any] = {
        "made_by": {"extractor": name, "fingerprint": extractor.fingerprint},
        "fitted_on": "nothing",
        "where": f"extractor '{name}'",
    }
    if first.ndim == 1 and first.dtype.kind == "f":
        rows = [np.zeros_like(first) if array is None else array for array in arrays]
        return FeatureTable(ids, np.stack(rows), present, **about)
    empty = first[:0]
    parts = [empty if array is None else array for array in arrays]
    lengths = np.array([len(part) for part in parts], dtype=np.int64)
    return FeatureTable(ids, np.concatenate(parts), present, lengths, **about)
