"""Subtitles in SubRip or WebVTT, read with one utterance per cue."""

import html
import io
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from ercfw.contract.conversation import Clip, Conversation
from ercfw.errors import InputError, missing_library
from ercfw.predict.text_file import read_text
from ercfw.predict.timecodes import seconds_of

if TYPE_CHECKING:
    from webvtt import Caption

UNNAMED = "speaker"
OFTEN = 2
"""Minimum number of cues that must begin with a prefix in small letters for it to count as a speaker's name."""
_NAME = re.compile(r"([^\W\d_][^:.!?,;]{0,39}):\s+(?=\S)")
_STYLE = re.compile(r"\{\\[^}]*\}")
_DASH = re.compile(r"[-–—]\s*\S")


@dataclass(frozen=True)
class Cue:
    """Cue of a subtitle file: its number from 1, its times in seconds, its speaker and its text."""

    number: int
    start: float
    end: float
    speaker: str
    text: str


def read_subtitles(path: Path, media: Path | None, warnings: list[str]) -> Conversation:
    """Read a conversation with all cues in order of time.

    A speaker is the voice of a WebVTT cue (``<v Ann>``), or a prefix: ``ANN: ...`` in capitals, or ``Ann: ...``
    if at least two cues begin with it. The speaker of the other cues is unknown: they share one further speaker.
    A cue is never split: the first of two voices counts, and lines that begin with dashes have one speaker.
    Cues without text, and cues that end before they begin, are skipped.

    Args:
        path: the subtitle file.
        media: the media file that it subtitles; None = the cues have no clips.
        warnings: receives a warning for everything that was skipped or guessed.

    Raises:
        InputError: the file has no cue, or the library that reads it is not installed.
    """
    cues = _in_order(path, _named(_read(path, warnings), path, warnings), warnings)
    times = tuple((cue.start, cue.end) for cue in cues)
    return Conversation(
        id=path.stem,
        split="test",
        utterances=tuple(str(cue.number) for cue in cues),
        speakers=tuple(cue.speaker for cue in cues),
        texts=tuple(cue.text for cue in cues),
        labels={},
        times=times,
        clips=() if media is None else tuple(Clip(media, start, end) for start, end in times),
    )


def _read(path: Path, warnings: list[str]) -> list[Cue]:
    """Return the cues that have a text and a duration, in file order, with the speakers that tags name."""
    captions = _captions(path, text := read_text(path, warnings))
    unread = sum("-->" in line for line in text.splitlines()) - len(captions)
    if unread > 0:
        warnings.append(f"{path}: cues that could not be read: {unread}")
    cues, two, empty = [], 0, 0
    for number, caption in enumerate(captions, 1):
        words = " ".join(_plain(caption.text).split())
        start, end = seconds_of(caption.start), seconds_of(caption.end)
        assert start is not None
        assert end is not None
        if end <= start:
            warnings.append(f"{path}: cue {number} begins at {caption.start} and ends at {caption.end}; it is left out")
        elif not words:
            empty += 1
        else:
            lines = _plain(caption.text).splitlines()
            two += len(set(re.findall(r"<v[.\s][^>]*>", caption.raw_text))) > 1 or sum(map(_is_turn, lines)) > 1
            cues.append(Cue(number, start, end, html.unescape(caption.voice or "").strip(), words))
    if empty:
        warnings.append(f"{path}: cues without text, left out: {empty}")
    if two:
        warnings.append(f"{path}: cues in which two seem to speak, each taken as one utterance: {two}")
    if not cues:
        raise InputError.at(path, "holds no cue that can be read", "subtitles as SubRip (.srt) or WebVTT (.vtt)")
    return cues


def _captions(path: Path, text: str) -> "list[Caption]":
    """Return the readable cues; each is parsed separately, so that a damaged cue does not affect others."""
    try:
        import webvtt
        from webvtt.errors import MalformedCaptionError, MalformedFileError
    except ModuleNotFoundError as error:
        raise missing_library("webvtt-py", "predict") from error
    if "-->" not in text:
        raise InputError.at(path, "holds no subtitles", "SubRip (.srt) or WebVTT (.vtt) is needed")
    kind, head = ("vtt", "WEBVTT\n\n") if text.startswith("WEBVTT") else ("srt", "")
    captions: list[Caption] = []
    for block in re.split(r"\n\s*\n", text.strip()):
        with suppress(MalformedFileError, MalformedCaptionError):
            captions += webvtt.from_buffer(io.StringIO(head + block), kind).captions
    return captions


def _plain(text: str) -> str:
    """Return the text without the style marks that players interpret."""
    return html.unescape(_STYLE.sub("", text))


def _is_turn(line: str) -> bool:
    return _DASH.match(line.strip()) is not None


def _named(cues: Sequence[Cue], path: Path, warnings: list[str]) -> list[Cue]:
    """Return the same cues with the speakers that prefixes name."""
    prefixes = [_NAME.match(cue.text) for cue in cues]
    times = Counter(prefix[1] for prefix in prefixes if prefix is not None)
    named = []
    for cue, prefix in zip(cues, prefixes, strict=True):
        speaker, text = cue.speaker, cue.text
        if not speaker and prefix is not None and (prefix[1].isupper() or times[prefix[1]] >= OFTEN):
            speaker, text = prefix[1].strip(), text[prefix.end() :]
        named.append(Cue(cue.number, cue.start, cue.end, speaker or UNNAMED, text))
    unnamed = sum(cue.speaker == UNNAMED for cue in named)
    if unnamed:
        warnings.append(f"{path}: cues without a speaker's name, taken for one speaker: {unnamed} of {len(named)}")
    return named


def _in_order(path: Path, cues: Iterable[Cue], warnings: list[str]) -> list[Cue]:
    ordered = sorted(given := list(cues), key=lambda cue: (cue.start, cue.end))
    if ordered != given:
        warnings.append(f"{path}: cues are out of order; they were sorted by their times")
    overlapping = sum(after.start < before.end for before, after in pairwise(ordered))
    if overlapping:
        warnings.append(f"{path}: cues that begin before the one before them ends: {overlapping}; all are kept")
    return ordered
