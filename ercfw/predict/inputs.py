"""Input of a prediction, in any of its forms, read into conversations and feature tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from ercfw.contract.conversation import Clip, Conversation
from ercfw.contract.feature_table import FeatureTable, read_features
from ercfw.data.tables.read import Read
from ercfw.errors import InputError, with_warnings
from ercfw.predict.clip_folder import MEDIA, read_clip_folder, without_texts
from ercfw.predict.subtitles import read_subtitles
from ercfw.predict.texts import read_texts
from ercfw.predict.transcript import TableForm, read_transcript
from ercfw.system.files import is_file, is_folder

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
        with with_warnings(found.warnings):
            tables = {name: read_features(path, ids) for name, path in features.items()}
    return Given(tuple(found.value), tables, found.warnings)


def _of_tables(tables: Mapping[str, FeatureTable]) -> Read[list[Conversation]]:
    """Return conversations of all utterances that the tables name."""
    groups: dict[str, list[str]] = {}
    for name, utterance in dict.fromkeys(chain.from_iterable(table.ids for table in tables.values())):
        groups.setdefault(name, []).append(utterance)
    warning = "feature files name no speakers, so each conversation has one speaker"
    return Read([without_texts(name, utterances) for name, utterances in groups.items()], (warning,))


def _of_texts(files: Files) -> Read[list[Conversation]]:
    if files.transcript is not None or files.subtitles is not None:
        raise InputError.at("transcript and subtitles", "cannot be combined with texts", "they belong to clips")
    return read_texts(files.texts or ())


def _of_files(source: Path, files: Files, forms: Sequence[TableForm]) -> Read[list[Conversation]]:
    _check_together(source, files)
    if is_folder(source):
        return read_clip_folder(source, files.transcript, forms)
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
        return Read([without_texts(source.stem, ["1"], (Clip(source),))], (warning,))
    table = read_transcript(files.transcript, forms)
    if not {"start", "end"} <= table.value.columns:
        what = f"does not give the times of its lines in {source.name}"
        with with_warnings(table.warnings):
            raise InputError.at(files.transcript, what, "add the columns start and end")
    untimed = [utterance.where for utterance in table.value.utterances if utterance.time is None]
    warning = f"{files.transcript}: lines without times, and so without a clip: {len(untimed)}"
    clips = {u.id: Clip(source, *u.time) for u in table.value.utterances if u.time}
    more = (f"{warning} ({untimed[0]})",) if untimed else ()
    return Read(table.value.conversations(clips), (*table.warnings, *more))
