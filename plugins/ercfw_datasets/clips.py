"""Checks of a corpus' clips: which of them exist, and whether they are as long as the annotations say."""

import os
import warnings
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from stat import S_ISREG

from ercfw import Clip, Conversation, UtteranceId, is_file, missing_library
from ercfw_datasets.annotations import Record

FIRST = 3
"""Number of clips that a warning names."""
TOLERANCE = 0.5
"""Seconds by which a clip may differ from its annotated length; eleven real MELD clips differ by at most 0.03."""
LONGEST = 60.0
"""Seconds; an utterance annotated as longer has wrong times, or a clip that contains more than the utterance."""


def fault_of(path: Path) -> str | None:
    """Return what is wrong with a clip's file before it is opened: ``missing``, ``empty`` and the like, or None."""
    try:
        status = path.stat()
    except PermissionError:
        return "unreadable"
    except FileNotFoundError:
        dangling = any(place.is_symlink() and not place.exists() for place in (path, *path.parents))
        return "behind links that lead nowhere" if dangling else "missing"
    except (OSError, ValueError):  # a name that no file can have
        return "missing"
    if not S_ISREG(status.st_mode):
        return "missing"
    if not os.access(path, os.R_OK):
        return "unreadable"
    return None if status.st_size else "empty"


def only_there(corpus: str, records: Sequence[Record], known: Collection[UtteranceId] = ()) -> list[Record]:
    """Return the records without the clips whose file is missing or empty; warn once per kind of fault.

    Args:
        corpus: the name of the corpus, for the warnings.
        records: the utterances; the warnings skip those that are left out of their conversations.
        known: utterances whose clips are known to be broken; they are counted separately.
    """
    fault = cache(fault_of)  # several utterances may be in one file
    kept: list[Record] = []
    faults: dict[str, list[UtteranceId]] = {}
    for record in records:
        wrong = None if record.clip is None else fault(record.clip.path)
        kept.append(record if wrong is None else replace(record, clip=None))
        if wrong is not None and record.label is not None:
            faults.setdefault(f"{wrong} (a known fault)" if record.id in known else wrong, []).append(record.id)
    for wrong, ids in faults.items():
        warn_of(corpus, f"clips that are {wrong}", [" ".join(id) for id in ids])
    return kept


def warn_of(corpus: str, what: str, names: Sequence[str]) -> None:
    """Issue a warning that counts these names and lists the first of them."""
    more = f" and {len(names) - FIRST} more" if len(names) > FIRST else ""
    warnings.warn(f"{corpus}: {what}: {len(names)} ({', '.join(names[:FIRST])}{more})", stacklevel=2)


def clip_warnings(conversations: Iterable[Conversation], known: Collection[UtteranceId] = ()) -> list[str]:
    """Return warnings about the clips of these conversations, one line each.

    The length of every clip is read from the header of its file (about 6 ms each) and compared with the annotated
    times. Annotated lengths of 0 s or less, or of more than 60 s, cause a warning of their own.

    Args:
        conversations: conversations; those without clips are skipped.
        known: utterances whose clips are known to be broken; their warnings say so.

    Raises:
        InputError: if PyAV is not installed.
    """
    length = cache(_length)
    return [
        f"{' '.join(id)}: {mismatch}{' (a known fault)' if id in known else ''}"
        for conversation in conversations
        for id, clip, time in zip(conversation.ids, conversation.clips, _times(conversation), strict=False)
        if clip is not None
        for mismatch in _mismatches(clip, time, length(clip.path))
    ]


def _times(conversation: Conversation) -> Sequence[tuple[float, float] | None]:
    return conversation.times or (None,) * len(conversation)


def _mismatches(clip: Clip, time: tuple[float, float] | None, length: float | str) -> Iterable[str]:
    annotated = None if time is None else time[1] - time[0]
    if annotated is not None and not 0 < annotated <= LONGEST:
        yield f"is annotated as {annotated:.1f} s long"
    if isinstance(length, str):
        yield f"{clip.path.name} {length}"
    elif clip.end is not None or clip.start:
        if max(clip.start, clip.end or 0) > length + TOLERANCE:
            yield f"ends at {max(clip.start, clip.end or 0):.1f} s, but {clip.path.name} lasts {length:.1f} s"
    elif annotated is not None and abs(length - annotated) > TOLERANCE:
        yield f"{clip.path.name} lasts {length:.1f} s, but is annotated as {annotated:.1f} s"


def _length(path: Path) -> float | str:
    """Return the length in seconds that the file's header states, or what is wrong with the file."""
    try:
        import av
    except ImportError as error:
        raise missing_library("av", "sound") from error
    if not is_file(path):  # a pipe or a device may never end
        return "is not a file"
    try:
        with av.open(str(path)) as container:
            return "does not state its length" if container.duration is None else container.duration / av.time_base
    except (OSError, av.error.FFmpegError) as error:
        return f"cannot be opened: {error.strerror}"
