"""What extractors have made before, on disk: a file a piece of work, named by the content it was made from."""

import hashlib
import json
import os
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
from ercfw.system.files import replacing, sha256

Array = NDArray[Any]
Made = Sequence[Array | Broken | None]
"""What an extractor gives: one of each utterance."""

KNOWN_FILES = 100_000
ABOUT = "about"
"""The one key of a file's metadata: of several the order would differ from one writing to the next."""


def cache_folder() -> Path:
    """``ERCFW_CACHE``, else ``ercfw`` in the user's cache folder."""
    user = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("ERCFW_CACHE") or user / "ercfw")


def content(reads: str, conversation: Conversation) -> str:
    """A hash of all that an extractor may read of a conversation, whose clips must be there."""
    said: Iterable[Any] = zip(conversation.speakers, conversation.texts, strict=True)
    if reads != "text":
        said = zip(conversation.speakers, map(_of_clip, conversation.clips), strict=True)
    return hashlib.sha256(json.dumps(list(said)).encode()).hexdigest()


def content_of_clip(clip: Clip) -> str:
    """A hash of a clip alone."""
    return hashlib.sha256(json.dumps(_of_clip(clip)).encode()).hexdigest()


def without_unreadable(conversation: Conversation) -> tuple[Conversation, dict[int, Broken]]:
    """The conversation without the clips whose file cannot be opened, and why, by their place in it."""
    broken: dict[int, Broken] = {}
    for place, clip in enumerate(conversation.clips):
        try:
            _of_clip(clip)
        except OSError as error:
            broken[place] = Broken(f"cannot be opened: {error.strerror}")
    clips = conversation.clips or (None,) * len(conversation)
    left = tuple(None if place in broken else clip for place, clip in enumerate(clips))
    return replace(conversation, clips=left), broken


def _of_clip(clip: Clip | None) -> list[Any] | None:
    if clip is None:
        return None
    about = clip.path.stat()
    return [_hash(clip.path, about.st_size, about.st_mtime_ns), clip.start, clip.end, clip.half]


@lru_cache(KNOWN_FILES)
def _hash(path: Path, size: int, changed: int) -> str:
    """The hash of a file's content; one video may hold a thousand utterances."""
    return sha256(path)


def read(path: Path, utterances: int) -> Made | None:
    """What ``write`` left; None where there is nothing, or it is damaged."""
    try:
        with safe_open(path, framework="numpy") as file:
            about = json.loads((file.metadata() or {})[ABOUT])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        broken = about["broken"]
        if about["sha256"] != _digest(tensors, broken):
            return None
        return [Broken(broken[name]) if name in broken else tensors.get(name) for name in map(str, range(utterances))]
    except (OSError, SafetensorError, ValueError, TypeError, KeyError):
        return None


def write(path: Path, made: Made) -> None:
    """Keep what an extractor made, whole or not at all.

    Raises:
        RunError: the cache cannot be written.
    """
    arrays = {str(place): np.ascontiguousarray(x) for place, x in enumerate(made) if isinstance(x, np.ndarray)}
    broken = {str(place): x.why for place, x in enumerate(made) if isinstance(x, Broken)}
    about = {"broken": broken, "sha256": _digest(arrays, broken)}
    with replacing(path) as temporary:
        save_file(arrays, temporary, {ABOUT: json.dumps(about, sort_keys=True)})


def _digest(arrays: Mapping[str, Array], broken: Mapping[str, str]) -> str:
    """A hash of all that a file holds: a disk may bend numbers and leave them numbers."""
    names = sorted(arrays)
    shapes = [[name, str(arrays[name].dtype), arrays[name].shape] for name in names]
    digest = hashlib.sha256(json.dumps([shapes, broken], sort_keys=True).encode())
    for name in names:
        digest.update(arrays[name].data)
    return digest.hexdigest()
