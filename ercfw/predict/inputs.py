"""Input of a prediction, in any of its forms, read into conversations and feature tables."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from ercfw.contract.conversation import Clip, Conversation, UtteranceId
from ercfw.contract.feature_table import FeatureTable, read_features
from ercfw.data.tables.read import Read
from ercfw.data.tables.utterances import ONE_SPEAKER, Utterance
from ercfw.errors import InputError
from ercfw.predict.subtitles import read_subtitles
from ercfw.predict.texts import read_texts
from ercfw.predict.transcript import TableForm, Transcript, read_transcript
from ercfw.system.files import is_file, is_folder

MEDIA = {
    ".aac", ".avi", ".flac", ".flv", ".m4a", ".m4v", ".mkv", ".mov", ".mp3", ".mp4", ".mpeg", ".mpg", ".ogg", ".opus",
    ".ts", ".wav", ".webm", ".wma", ".wmv",
}  # fmt: skip
SUBTITLES = {".srt", ".vtt"}
ENDINGS = MEDIA | SUBTITLES | {".csv", ".tsv", ".txt", ".json", ".xls", ".xlsx", ".npy", ".npz", ".pkl", ".safetensors"}
"""Endings of the names of files: a word with one of them is no text."""


@dataclass(frozen=True)
class Given:
    """Input of a prediction.

    Attributes:
        conversations: the conversations, without labels.
        tables: the feature table of each modality that is given as features.
        warnings: what the reader of the predictions should know of the input.
    """

    conversations: tuple[Conversation, ...]
    tables: Mapping[str, FeatureTable]
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class Files:
    """Files that name the utterances of a prediction, apart from feature files.

    Attributes:
        source: a CSV table, a folder of clips, a media file or subtitles; None = the texts or features name the
            utterances.
        transcript: a CSV table with the texts of the clips in ``source``, or with texts and times of its one file.
        subtitles: the texts and times of the media file ``source``.
        texts: the utterances of one conversation, in place of a source.
    """

    source: Path | None
    transcript: Path | None = None
    subtitles: Path | None = None
    texts: tuple[str, ...] | None = None


def read_given(files: Files, features: Mapping[str, Path], forms: Sequence[TableForm]) -> Given:
    """Read conversations from a table, a folder of clips, a video or sound file, subtitles, texts or feature files.

    Args:
        files: the files that name the utterances.
        features: one feature file per modality; a file without ids has one row per utterance, in order.
        forms: forms of table to recognise, beside the usual one.

    Raises:
        InputError: an input is missing, cannot be read, or does not match the others.
    """
    if files.source is None and files.texts is None:
        if not features or files.transcript or files.subtitles:
            raise InputError.at("the input", "is missing", "give a table, a folder of clips, a video, or feature files")
        tables = {name: read_features(path, ()) for name, path in features.items()}
        found = _of_tables(tables)
    else:
        found = _of_texts(files) if files.source is None else _of_files(files.source, files, forms)
        ids = [id for conversation in found.value for id in conversation.ids]
        tables = {name: read_features(path, ids) for name, path in features.items()}
    return Given(tuple(found.value), tables, found.warnings)


def _of_tables(tables: Mapping[str, FeatureTable]) -> Read[list[Conversation]]:
    """Return conversations of all utterances that the tables name."""
    groups: dict[str, list[str]] = {}
    for name, utterance in dict.fromkeys(chain.from_iterable(table.ids for table in tables.values())):
        groups.setdefault(name, []).append(utterance)
    warning = "feature files name no speakers, so each conversation has one speaker"
    return Read([_without_texts(name, utterances) for name, utterances in groups.items()], (warning,))


def _without_texts(name: str, utterances: Iterable[str], clips: tuple[Clip, ...] = ()) -> Conversation:
    """Return a conversation without texts and speakers."""
    ids = tuple(utterances)
    return Conversation(name, "test", ids, (ONE_SPEAKER,) * len(ids), ("",) * len(ids), {}, clips=clips)


def _of_texts(files: Files) -> Read[list[Conversation]]:
    if files.transcript is not None or files.subtitles is not None:
        raise InputError.at("transcript and subtitles", "cannot be combined with texts", "they belong to clips")
    return read_texts(files.texts or ())


def _of_files(source: Path, files: Files, forms: Sequence[TableForm]) -> Read[list[Conversation]]:
    _check_together(source, files)
    if is_folder(source):
        return _of_clips(source, files.transcript, forms)
    if source.suffix.lower() in MEDIA:
        return _of_media(source, files, forms)
    if source.suffix.lower() in SUBTITLES:
        read = read_subtitles(source, None)
        return Read([read.value], read.warnings)
    table = read_transcript(source, forms)
    clips = {u.id: u.clip and replace(u.clip, path=source.parent / u.clip.path) for u in table.value.utterances}
    return Read(table.value.conversations(clips if "clip" in table.value.columns else {}), table.warnings)


def _check_together(source: Path, files: Files) -> None:
    """Check that the files exist, and that they can be combined."""
    if files.transcript is not None and files.subtitles is not None:
        what = "each of them contains the texts, so they cannot be combined"
        raise InputError.at("transcript and subtitles", what, "give one of them")
    folder = is_folder(source)
    media = not folder and source.suffix.lower() in MEDIA
    if not folder and not is_file(source):
        is_word = not source.suffix and len(source.parts) == 1
        hint = f"to predict this word: echo {source} | ercfw predict RUN -" if is_word else ""
        raise InputError.at(source, "there is no such file or folder", hint)
    if files.subtitles is not None and not media:
        raise InputError.at(source, "cannot have subtitles", "they can be given for one video or sound file")
    if files.transcript is not None and not folder and not media:
        hint = "it can be given for a folder of clips, or for one video or sound file"
        raise InputError.at(source, "cannot have a transcript", hint)
    for path in (files.transcript, files.subtitles):
        if path is not None and not is_file(path):
            raise InputError.at(path, "there is no such file")


def _of_media(source: Path, files: Files, forms: Sequence[TableForm]) -> Read[list[Conversation]]:
    """Read the conversation in one video or sound file, with the speakers, times and texts given for it."""
    if files.subtitles is not None:
        read = read_subtitles(files.subtitles, source)
        return Read([read.value], read.warnings)
    if files.transcript is None:
        warning = f"{source}: there are no subtitles and no transcript, so all of it is one utterance without text"
        return Read([_without_texts(source.stem, ["1"], (Clip(source),))], (warning,))
    table = read_transcript(files.transcript, forms)
    if not {"start", "end"} <= table.value.columns:
        what = f"does not give the times of its lines in {source.name}"
        raise InputError.at(files.transcript, what, "add the columns start and end")
    untimed = [utterance.where for utterance in table.value.utterances if utterance.time is None]
    warning = f"{files.transcript}: lines without times, and so without a clip: {len(untimed)}"
    clips = {u.id: Clip(source, *u.time) for u in table.value.utterances if u.time}
    more = (f"{warning} ({untimed[0]})",) if untimed else ()
    return Read(table.value.conversations(clips), (*table.warnings, *more))


def _of_clips(folder: Path, transcript: Path | None, forms: Sequence[TableForm]) -> Read[list[Conversation]]:
    """Read a folder of clips, with one utterance per clip."""
    try:
        paths = sorted((path for path in folder.iterdir() if _is_clip(path)), key=_natural)
    except OSError as error:
        raise InputError.at(folder, f"cannot be read: {error.strerror}") from error
    if not paths:
        raise InputError.at(folder, "contains no clip", f"a clip ends in one of {', '.join(sorted(MEDIA))}")
    if transcript is None:
        warning = f"{folder}: there is no transcript, so all clips are one conversation, in order and without text"
        conversation = _without_texts(folder.resolve().name, (path.name for path in paths), tuple(map(Clip, paths)))
        return Read([conversation], (warning,))
    table = read_transcript(transcript, forms)
    named = {path.stem: path for path in reversed(paths)} | {path.name: path for path in paths}
    clips = {u.id: _find(folder, u, named) for u in table.value.utterances}
    used = {clip.path for clip in clips.values() if clip is not None}
    unused = [path.name for path in paths if path not in used]
    skipped = f"{transcript}: clips that no line names, left out: {len(unused)}"
    more = (f"{skipped} ({unused[0]} first)",) if unused else ()
    covered = _covered(folder, table.value, clips)
    return Read(covered.value, (*table.warnings, *more, *covered.warnings))


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


def _is_clip(path: Path) -> bool:
    return path.suffix.lower() in MEDIA and not path.name.startswith(".") and is_file(path)


def _find(folder: Path, utterance: Utterance, named: Mapping[str, Path]) -> Clip | None:
    if utterance.clip is None:
        return None
    name = str(utterance.clip.path)
    path = named.get(name, folder / name)
    return replace(utterance.clip, path=path) if is_file(path) else None


def _natural(path: Path) -> list[str | int]:
    """Return a sort key that puts 2 before 10."""
    return [int(part) if place % 2 else part for place, part in enumerate(re.split(r"([0-9]+)", path.name.lower()))]
