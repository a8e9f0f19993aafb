"""Subtitles in SubRip or WebVTT, read with one utterance per cue."""

import html
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from ercfw.contract.conversation import Clip, Conversation
from ercfw.data.tables.read import Read
from ercfw.data.tables.text import read_text
from ercfw.data.tables.utterances import ONE_SPEAKER
from ercfw.errors import InputError, missing_library, with_warnings
from ercfw.predict.caption_speakers import find_speakers
from ercfw.predict.subtitle_blocks import FORMS, Block, read_blocks

MOST_NAMED = 10
"""Maximum number of speakers that a warning names."""
_STYLE = re.compile(r"\{\\[^}]*\}")
_BREAK = re.compile(r"<br\s*/?>|\\[Nn]")
"""Line breaks inside a line, as HTML and Advanced SubStation write them."""
_VOICE = re.compile(r"<v[.\s][^>]*>")


@dataclass(frozen=True)
class Cue:
    """Cue of a subtitle file.

    Attributes:
        number: its number, from 1.
        start: its start in seconds.
        end: its end in seconds.
        voice: the speaker that a tag names; may be empty.
        lines: its lines without tags.
        voices: the number of speakers that tags name.
    """

    number: int
    start: float
    end: float
    voice: str
    lines: tuple[str, ...]
    voices: int


@dataclass(frozen=True)
class Utterance:
    """Cue with its speaker and words."""

    number: int
    start: float
    end: float
    speaker: str
    text: str


def read_subtitles(path: Path, media: Path | None) -> Read[Conversation]:
    """Read a conversation with all cues in order of time; warnings report what was skipped, guessed or found.

    A speaker is the voice of a WebVTT cue (``<v Ann>``), or a name at the beginning, as ``find_speakers`` knows them.
    The speaker of the other cues is unknown: they share one further speaker. A cue is never split: the first of two
    voices counts, and lines that begin with dashes have one speaker. Cues without text, and cues that end before they
    begin, are skipped.

    Args:
        path: the subtitle file.
        media: the media file that it subtitles; None = the cues have no clips.

    Raises:
        InputError: the file has no cue, or the library that reads it is not installed.
    """
    text = read_text(path)
    with with_warnings(text.warnings):
        blocks = read_blocks(path, text.value)
    with with_warnings((*text.warnings, *blocks.warnings)):
        read = _read_cues(path, blocks.value)
    named = _named(path, read.value)
    ordered = _in_order(path, named.value)
    found = ordered.value
    times = tuple((cue.start, cue.end) for cue in found)
    conversation = Conversation(
        id=path.stem,
        split="test",
        utterances=tuple(str(cue.number) for cue in found),
        speakers=tuple(cue.speaker for cue in found),
        texts=tuple(cue.text for cue in found),
        labels={},
        times=times,
        clips=() if media is None else tuple(Clip(media, start, end) for start, end in times),
    )
    warnings = (*text.warnings, *blocks.warnings, *read.warnings, *named.warnings, *ordered.warnings)
    return Read(conversation, warnings)


def _read_cues(path: Path, blocks: Sequence[Block]) -> Read[list[Cue]]:
    """Return the cues that have a text and a duration, in file order, with the speakers that tags name."""
    try:
        from webvtt import Caption
    except ModuleNotFoundError as error:
        raise missing_library("webvtt-py", "predict") from error
    warnings = []
    cues, empty = [], 0
    for number, block in enumerate(blocks, 1):
        caption = Caption(text=[part for line in block.lines for part in _BREAK.split(line)])
        lines = tuple(line for line in _plain(caption.text).split("\n") if line.strip())
        if block.end <= block.start:
            times = f"begins at {_clock(block.start)} and ends at {_clock(block.end)}"
            warnings.append(f"{path}: cue {number} {times}, so it is left out")
        elif not lines:
            empty += 1
        else:
            voice = html.unescape(caption.voice or "").strip()
            voices = len(set(_VOICE.findall(caption.raw_text)))
            cues.append(Cue(number, block.start, block.end, voice, lines, voices))
    if empty:
        warnings.append(f"{path}: cues without text, left out: {empty}")
    if not cues:
        raise InputError.at(path, "contains no readable cue", FORMS)
    return Read(cues, tuple(warnings))


def _plain(text: str) -> str:
    """Return the text without the style marks that players interpret."""
    return html.unescape(_STYLE.sub("", text))


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(seconds, 60)
    return f"{int(minutes // 60):02d}:{int(minutes % 60):02d}:{seconds:06.3f}"


def _named(path: Path, cues: Sequence[Cue]) -> Read[list[Utterance]]:
    """Return the speaker and the words of each cue."""
    found = find_speakers([cue.lines for cue in cues], [cue.voice for cue in cues if cue.voice])
    named = [
        Utterance(cue.number, cue.start, cue.end, cue.voice or spoken.speaker or ONE_SPEAKER, spoken.text)
        for cue, spoken in zip(cues, found, strict=True)
    ]
    warnings = []
    two_voices = sum(cue.voices > 1 or spoken.turns > 1 for cue, spoken in zip(cues, found, strict=True))
    if two_voices:
        warnings.append(f"{path}: cues in which two people seem to speak, each read as one utterance: {two_voices}")
    speakers = Counter(cue.speaker for cue in named)
    unnamed = speakers.pop(ONE_SPEAKER, 0)
    if speakers:
        names = ", ".join(f"{name} ({times})" for name, times in speakers.most_common(MOST_NAMED))
        more = f" and {len(speakers) - MOST_NAMED} more" if len(speakers) > MOST_NAMED else ""
        warnings.append(f"{path}: speakers found, with the number of their cues: {names}{more}")
    if unnamed:
        what = "cues without a speaker's name, given to one further speaker"
        warnings.append(f"{path}: {what}: {unnamed} of {len(named)}")
    return Read(named, tuple(warnings))


def _in_order(path: Path, cues: Sequence[Utterance]) -> Read[list[Utterance]]:
    ordered = sorted(cues, key=lambda cue: (cue.start, cue.end))
    warnings = []
    if ordered != list(cues):
        warnings.append(f"{path}: cues are out of order; they were sorted by their times")
    overlapping = sum(after.start < before.end for before, after in pairwise(ordered))
    if overlapping:
        warnings.append(f"{path}: cues that begin before the previous one ends: {overlapping}; all are kept")
    return Read(ordered, tuple(warnings))
