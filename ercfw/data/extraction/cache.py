"""Cache extracted features on disk: one file per piece of work, named by a hash of the content it was made from."""

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from ercfw.contract.conversation import Clip, Conversation
from ercfw.contract.interfaces import Broken
from ercfw.errors import RunError
from ercfw.system.files import check_regular, replacing, sha256
from ercfw.system.user_folders import CACHE

Array = NDArray[Any]
Extracted = Sequence[Array | Broken | None]
"""The result of an extractor: an array, a broken clip or None for each utterance."""

KNOWN_FILES = 100_000
ELSEWHERE = f"{CACHE} can name another folder for the cache"
"""The hint for a cache that cannot be written."""
ABOUT = "about"
"""The only key in the metadata of a file: the order of several keys would differ between two writes."""


def conversation_hash(reads: str, conversation: Conversation) -> str:
    """Return a hash of everything that an extractor may read of a conversation, whose clips must exist."""
    utterances: Iterable[Any] = zip(conversation.speakers, conversation.texts, strict=True)
    if reads != "text":
        utterances = zip(conversation.speakers, map(_identify, conversation.clips), strict=True)
    # Without cues, the hash is that of earlier versions, which had none.
    cues = [{"cues": conversation.cues}] if any(conversation.cues) else []
    return hashlib.sha256(json.dumps([*utterances, *cues]).encode()).hexdigest()


def clip_hash(clip: Clip) -> str:
    """Return a hash of a single clip."""
    return hashlib.sha256(json.dumps(_identify(clip)).encode()).hexdigest()


def without_unreadable(conversation: Conversation) -> tuple[Conversation, dict[int, Broken]]:
    """Drop the clips whose file cannot be opened; return the reasons by position in the conversation, too."""
    broken: dict[int, Broken] = {}
    for place, clip in enumerate(conversation.clips):
        try:
            _identify(clip)
        except OSError as error:
            broken[place] = Broken(f"cannot be opened: {error.strerror}")
    clips = conversation.clips or (None,) * len(conversation)
    left = tuple(None if place in broken else clip for place, clip in enumerate(clips))
    return replace(conversation, clips=left), broken


def _identify(clip: Clip | None) -> list[Any] | None:
    """Return the hash of the file of a clip, and its part of that file."""
    if clip is None:
        return None
    about = clip.path.stat()
    return [_hash(clip.path, about.st_size, about.st_mtime_ns), clip.start, clip.end, clip.half]


@lru_cache(KNOWN_FILES)
def _hash(path: Path, size: int, changed: int) -> str:
    """Return the hash of the content of a file, computed once: a video may hold a thousand utterances."""
    return sha256(path)


def read(path: Path, utterances: int) -> Extracted | None:
    """Return what ``write`` wrote; None if there is no file or it is damaged."""
    try:
        check_regular(path)
        with safe_open(path, framework="numpy") as file:
            about = json.loads((file.metadata() or {})[ABOUT])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        broken = about["broken"]
        if about["sha256"] != _digest(tensors, broken):
            return None
        return [Broken(broken[name]) if name in broken else tensors.get(name) for name in map(str, range(utterances))]
    except (OSError, SafetensorError, ValueError, TypeError, KeyError):
        return None


def read_cut(path: Path, utterances: int) -> list[int] | None:
    """Return the positions of the texts that were cut; None if the file does not state them, as older ones do not."""
    try:
        with safe_open(path, framework="numpy") as file:
            cut = json.loads((file.metadata() or {})[ABOUT])["cut"]
    except (OSError, SafetensorError, ValueError, TypeError, KeyError, RecursionError):
        return None
    is_valid = isinstance(cut, list) and all(type(place) is int and 0 <= place < utterances for place in cut)
    return cut if is_valid else None


def write(path: Path, made: Extracted, cut: Sequence[int] | None = None) -> None:
    """Write the result of an extractor atomically.

    Args:
        path: the file.
        made: the result.
        cut: the positions of the texts that were cut; None = unknown.

    Raises:
        RunError: the cache cannot be written.
    """
    arrays = {str(place): np.ascontiguousarray(x) for place, x in enumerate(made) if isinstance(x, np.ndarray)}
    broken = {str(place): x.why for place, x in enumerate(made) if isinstance(x, Broken)}
    about = {"broken": broken, "sha256": _digest(arrays, broken), **({} if cut is None else {"cut": list(cut)})}
    try:
        with replacing(path) as temporary:
            save_file(arrays, temporary, {ABOUT: json.dumps(about, sort_keys=True)})
    except RunError as error:
        raise RunError(f"{error} ({ELSEWHERE})") from error


def _digest(arrays: Mapping[str, Array], broken: Mapping[str, str]) -> str:
    """Return a hash of the content of a file: a disk error may change a number into another valid number."""
    names = sorted(arrays)
    shapes = [[name, str(arrays[name].dtype), arrays[name].shape] for name in names]
    digest = hashlib.sha256(json.dumps([shapes, broken], sort_keys=True).encode())
    for name in names:
        digest.update(arrays[name].data)
    return digest.hexdigest()
