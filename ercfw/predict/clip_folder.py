"""A folder of clips, with or without folders inside, and the table that names its clips."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path, PurePath

from ercfw.contract.conversation import Clip, Conversation, UtteranceId
from ercfw.data.tables.read import Read
from ercfw.data.tables.utterances import ONE_SPEAKER, Utterance
from ercfw.errors import InputError, Mistake, with_warnings
from ercfw.predict.transcript import TableForm, Transcript, read_transcript
from ercfw.system.files import is_file

MEDIA = {
    ".aac", ".avi", ".flac", ".flv", ".m4a", ".m4v", ".mkv", ".mov", ".mp3", ".mp4", ".mpeg", ".mpg", ".ogg", ".opus",
    ".ts", ".wav", ".webm", ".wma", ".wmv",
}  # fmt: skip
MOST_NAMED = 3
"""Number of clips of the same name that a message lists."""
Named = Mapping[str, Sequence[Path]]
"""The clips that a name may mean."""


def read_clip_folder(folder: Path, transcript: Path | None, forms: Sequence[TableForm]) -> Read[list[Conversation]]:
    """Read a folder of clips, with one utterance per clip; folders inside it are read, too.

    Without a transcript, the clips of each folder are one conversation.

    Raises:
        InputError: there is no clip, the folder or the transcript cannot be read, or a line names several clips.
    """
    paths = list(_find_clips(folder, set()))
    if not paths:
        raise InputError.at(folder, "contains no clip", f"a clip ends in one of {', '.join(sorted(MEDIA))}")
    if transcript is None:
        return _by_folder(folder, paths)
    table = read_transcript(transcript, forms)
    named = _by_ending(folder, paths)
    beside = (folder, transcript.parent, folder.absolute().parent)  # a path may also lead out of the folder
    mistakes: list[Mistake] = []
    clips = {u.id: _find(u, folder, beside, named, mistakes) for u in table.value.utterances}
    if mistakes:
        with with_warnings(table.warnings):
            raise InputError(mistakes)
    used = {clip.path.resolve() for clip in clips.values() if clip is not None}
    unused = [path.name for path in paths if path.resolve() not in used]
    skipped = f"{transcript}: clips that no line names, left out: {len(unused)}"
    more = (f"{skipped} ({unused[0]} first)",) if unused else ()
    with with_warnings(table.warnings):
        covered = _covered(folder, table.value, clips)
    return Read(covered.value, (*table.warnings, *more, *covered.warnings))


def without_texts(name: str, utterances: Iterable[str], clips: tuple[Clip, ...] = ()) -> Conversation:
    """Return a conversation without texts and speakers."""
    ids = tuple(utterances)
    return Conversation(name, "test", ids, (ONE_SPEAKER,) * len(ids), ("",) * len(ids), {}, clips=clips)


def _by_folder(top: Path, paths: Sequence[Path]) -> Read[list[Conversation]]:
    """Return one conversation per folder, named by its place in the top folder."""
    conversations = [
        without_texts(
            top.resolve().name if folder == top else folder.relative_to(top).as_posix(),
            (path.name for path in inside),
            tuple(map(Clip, inside)),
        )
        for folder, group in groupby(paths, lambda path: path.parent)
        if (inside := list(group))
    ]
    one = "all clips are one conversation" if len(conversations) == 1 else "the clips of each folder are a conversation"
    return Read(conversations, (f"{top}: there is no transcript, so {one}, in order and without text",))


def _find_clips(folder: Path, seen: set[Path]) -> Iterator[Path]:
    """Yield the clips in a folder and then those in the folders inside it, in natural order; each folder once."""
    seen.add(folder.resolve())
    try:
        entries = sorted((path for path in folder.iterdir() if not path.name.startswith((".", "__"))), key=_natural)
    except OSError as error:
        raise InputError.at(folder, f"cannot be read: {error.strerror}") from error
    folders = [path for path in entries if path.is_dir()]
    # A link that leads nowhere is a clip that cannot be opened, not an absent one.
    yield from (path for path in entries if path.suffix.lower() in MEDIA and (path.is_file() or path.is_symlink()))
    for inside in folders:
        if inside.resolve() not in seen:
            yield from _find_clips(inside, seen)


def _by_ending(folder: Path, paths: Iterable[Path]) -> Named:
    """Return the clips by each ending of their path in the folder, such as ``0001.mp4``, ``0001`` and ``a/0001``."""
    found: dict[str, list[Path]] = {}
    for path in paths:
        parts = path.relative_to(folder).parts
        for place in range(len(parts)):
            whole = PurePath(*parts[place:])
            for name in (whole, whole.with_suffix("")):
                found.setdefault(name.as_posix(), []).append(path)
    return found


def _find(
    utterance: Utterance, folder: Path, beside: Sequence[Path], named: Named, mistakes: list[Mistake]
) -> Clip | None:
    """Return the clip of a line: at its path, in the folder of its conversation, or of a name that no other clip has.

    The path is relative to the folder, or to one of ``beside``. Clips of the same name in one folder differ in the
    format only; the first one is taken.
    """
    if utterance.clip is None:
        return None
    path = utterance.clip.path
    name = os.path.normpath(path).replace(os.sep, "/")
    alike = named.get(name, ())
    found = (
        [each for each in alike if each.parent == (folder / name).parent]
        or named.get(f"{utterance.id[0]}/{name}", ())
        or alike
        or [place / path for place in beside if is_file(place / path)][:1]
    )
    if len({each.parent for each in found}) > 1:
        listed = ", ".join(map(str, found[:MOST_NAMED])) + (", ..." if len(found) > MOST_NAMED else "")
        what = f"'{name}' is the name of {len(found)} clips: {listed}"
        mistakes.append(Mistake(utterance.where, what, "name the folder, too, in a column clip or conversation"))
    chosen = next((each for each in found if each.name == path.name), found[0] if found else None)
    return None if chosen is None else replace(utterance.clip, path=chosen)


def _covered(folder: Path, table: Transcript, clips: Mapping[UtteranceId, Clip | None]) -> Read[list[Conversation]]:
    """Return the lines whose clip exists; a transcript may cover more clips than the folder has."""
    lacking = [u for u in table.utterances if clips[u.id] is None and u.clip is not None]
    if len(lacking) == len(table.utterances):
        hint = "name the clips in a column clip, or by the utterance ids"
        raise InputError.at(table.path, f"no line names a clip in {folder}", hint)
    if not lacking:
        return Read(table.conversations(clips))
    left_out = {u.id for u in lacking}
    kept = replace(table, utterances=tuple(u for u in table.utterances if u.id not in left_out))
    what = f"lines without a clip in {folder}, left out: {len(lacking)} of {len(table.utterances)}"
    return Read(kept.conversations(clips), (f"{table.path}: {what} ({' '.join(lacking[0].id)} first)",))


def _natural(path: Path) -> list[str | int]:
    """Return a sort key that puts 2 before 10."""
    return [int(part) if place % 2 else part for place, part in enumerate(re.split(r"([0-9]+)", path.name.lower()))]
