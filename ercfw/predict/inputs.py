"""Input of a prediction, in any of its forms, read into conversations and feature tables."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from ercfw.contract.conversation import Clip, Conversation
from ercfw.contract.feature_table import FeatureTable, read_features
from ercfw.errors import InputError
from ercfw.predict.subtitles import read_subtitles
from ercfw.predict.transcript import ONE_SPEAKER, Line, Transcript, read_transcript
from ercfw.system.files import is_file, is_folder

MEDIA = {
    ".aac", ".avi", ".flac", ".flv", ".m4a", ".m4v", ".mkv", ".mov", ".mp3", ".mp4", ".mpeg", ".mpg", ".ogg", ".opus",
    ".ts", ".wav", ".webm", ".wma", ".wmv",
}  # fmt: skip
SUBTITLES = {".srt", ".vtt"}


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


def read_given(
    source: Path | None, transcript: Path | None, subtitles: Path | None, features: Mapping[str, Path]
) -> Given:
    """Read conversations from a table, a folder of clips, a video or sound file, subtitles, or feature files.

    Args:
        source: a CSV table, a folder, a media file or subtitles; None = the features name the utterances.
        transcript: a CSV table with the texts of the clips in ``source``, or with texts and times of its one file.
        subtitles: the texts and times of the media file ``source``.
        features: one feature file per modality; a file without ids has one row per utterance, in order.

    Raises:
        InputError: an input is missing, cannot be read, or does not match the others.
    """
    warnings: list[str] = []
    if source is None:
        if not features or transcript or subtitles:
            raise InputError.at("the input", "is missing", "a table, a folder of clips, a video, or feature files")
        tables = {name: read_features(path, ()) for name, path in features.items()}
        found = _of_tables(tables, warnings)
    else:
        found = _conversations(source, transcript, subtitles, warnings)
        ids = [id for conversation in found for id in conversation.ids]
        tables = {name: read_features(path, ids) for name, path in features.items()}
    return Given(tuple(found), tables, tuple(warnings))


def _of_tables(tables: Mapping[str, FeatureTable], warnings: list[str]) -> list[Conversation]:
    """Return conversations of all utterances that the tables name."""
    groups: dict[str, list[str]] = {}
    for name, utterance in dict.fromkeys(chain.from_iterable(table.ids for table in tables.values())):
        groups.setdefault(name, []).append(utterance)
    warnings.append("feature files name no speakers, so a conversation is taken to have one")
    return [_silent(name, utterances) for name, utterances in groups.items()]


def _silent(name: str, utterances: Iterable[str], clips: tuple[Clip, ...] = ()) -> Conversation:
    """Return a conversation without texts and speakers."""
    ids = tuple(utterances)
    return Conversation(name, "test", ids, (ONE_SPEAKER,) * len(ids), ("",) * len(ids), {}, clips=clips)


def _conversations(
    source: Path, transcript: Path | None, subtitles: Path | None, warnings: list[str]
) -> list[Conversation]:
    if transcript is not None and subtitles is not None:
        raise InputError.at("transcript and subtitles", "both say what is spoken", "one of them")
    folder, suffix = is_folder(source), source.suffix.lower()
    if not folder and not is_file(source):
        raise InputError.at(source, "there is no such file or folder")
    if subtitles is not None and (folder or suffix not in MEDIA):
        raise InputError.at(source, "has no subtitles", "they go with one video or sound file")
    if transcript is not None and not folder and suffix not in MEDIA:
        raise InputError.at(source, "has no transcript", "it goes with clips, or with one video or sound file")
    if folder:
        return _of_clips(source, transcript, warnings)
    if suffix in MEDIA:
        return _of_media(source, transcript, subtitles, warnings)
    if suffix in SUBTITLES:
        return [read_subtitles(source, None, warnings)]
    table = read_transcript(source, warnings)
    if "clip" not in table.columns:
        return table.conversations()
    return table.conversations(lambda line: line.clip and replace(line.clip, path=source.parent / line.clip.path))


def _of_media(source: Path, transcript: Path | None, subtitles: Path | None, warnings: list[str]) -> list[Conversation]:
    """Read the conversation in one video or sound file, with the speakers, times and texts given for it."""
    if subtitles is not None:
        return [read_subtitles(subtitles, source, warnings)]
    if transcript is None:
        warnings.append(f"{source}: has neither subtitles nor a transcript, so all of it is one utterance without text")
        return [_silent(source.stem, ["1"], (Clip(source),))]
    table = read_transcript(transcript, warnings)
    if not {"start", "end"} <= table.columns:
        raise InputError.at(transcript, f"does not say when in {source.name} its lines are", "columns start and end")
    untimed = [line.where for line in table.lines if line.time is None]
    if untimed:
        warnings.append(f"{transcript}: lines without times, and so without a clip: {len(untimed)} ({untimed[0]})")
    return table.conversations(lambda line: Clip(source, *line.time) if line.time else None)


def _of_clips(folder: Path, transcript: Path | None, warnings: list[str]) -> list[Conversation]:
    """Read a folder of clips, with one utterance per clip."""
    try:
        clips = sorted((path for path in folder.iterdir() if _is_clip(path)), key=_natural)
    except OSError as error:
        raise InputError.at(folder, f"cannot be read: {error.strerror}") from error
    if not clips:
        raise InputError.at(folder, "holds no clip", f"files that end in {', '.join(sorted(MEDIA))}")
    if transcript is None:
        warnings.append(f"{folder}: has no transcript: its clips are one conversation in their order, without text")
        return [_silent(folder.resolve().name, (path.name for path in clips), tuple(map(Clip, clips)))]
    table = read_transcript(transcript, warnings)
    named = {path.stem: path for path in reversed(clips)} | {path.name: path for path in clips}
    clip_of = {line: _find(folder, line, named) for line in table.lines}
    spoken = {clip.path for clip in clip_of.values() if clip is not None}
    silent = [path.name for path in clips if path not in spoken]
    if silent:
        warnings.append(f"{transcript}: clips that no line names, left out: {len(silent)} ({silent[0]} first)")
    return _covered(folder, table, clip_of, warnings)


def _covered(
    folder: Path, table: Transcript, clip_of: Mapping[Line, Clip | None], warnings: list[str]
) -> list[Conversation]:
    """Return the lines whose clip exists; a transcript may cover more clips than the folder has."""
    lacking = {line: None for line, clip in clip_of.items() if clip is None and line.clip is not None}
    if len(lacking) == len(table.lines):
        raise InputError.at(table.path, f"none of its lines names a clip of {folder}", "a column clip, or clips by id")
    if lacking:
        first = next(iter(lacking))
        what = f"lines without a clip in {folder}, left out: {len(lacking)} of {len(table.lines)}"
        warnings.append(f"{table.path}: {what} ({first.conversation} {first.utterance} first)")
    return replace(table, lines=tuple(line for line in table.lines if line not in lacking)).conversations(clip_of.get)


def _is_clip(path: Path) -> bool:
    return path.suffix.lower() in MEDIA and not path.name.startswith(".") and is_file(path)


def _find(folder: Path, line: Line, named: Mapping[str, Path]) -> Clip | None:
    if line.clip is None:
        return None
    name = str(line.clip.path)
    path = named.get(name, folder / name)
    return replace(line.clip, path=path) if is_file(path) else None


def _natural(path: Path) -> list[str | int]:
    """Return a sort key that puts 2 before 10."""
    return [int(part) if place % 2 else part for place, part in enumerate(re.split(r"([0-9]+)", path.name.lower()))]
