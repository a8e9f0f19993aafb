"""Blocks of SubRip or WebVTT: the times and lines of each cue, also where a file does not keep to its format."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ercfw.data.tables.read import Read
from ercfw.errors import InputError

FORMS = "give subtitles as SubRip (.srt) or WebVTT (.vtt)"
_CLOCK = r"(?:([0-9]{1,4})\s?:\s?)?([0-9]{1,2})\s?:\s?([0-9]{1,2})(?:\s?[.,:;]\s?([0-9]{1,9}))?"
_TIMING = re.compile(rf"\s*\[?{_CLOCK}\s*(?:[-–—=]+\s*>|[–—]+|→)\s*{_CLOCK}(?:\]|(?=\s|$))")
_SETTING = re.compile(r"[A-Za-z]\w*:\S+")
"""Where a player shows the cue: ``align:start``, ``X1:40``."""
_ROLLING = re.compile(r"<(?:[0-9]+:)?[0-9]+:[0-9]+\.[0-9]+>")
"""Time of a word inside a cue. Captions that a program makes from speech have them, and repeat each line."""
_TAG = re.compile(r"<[^>]*>")
_USUAL = {
    "srt": re.compile(r"[0-9]{2,}:[0-9]{2}:[0-9]{2},[0-9]{3} --> [0-9]{2,}:[0-9]{2}:[0-9]{2},[0-9]{3}(\s|$)"),
    "vtt": re.compile(r"([0-9]{2,}:)?[0-9]{2}:[0-9]{2}\.[0-9]{3}\s+-->\s+([0-9]{2,}:)?[0-9]{2}:[0-9]{2}\.[0-9]{3}"),
}
_NUMBER = re.compile(r"\s*#?[0-9]+\.?\s*")
_COMMENT = re.compile(r"(NOTE|STYLE|REGION)(\s|$)")


@dataclass(frozen=True)
class Block:
    """Cue as the file writes it: its times in seconds, and its lines with their tags."""

    start: float
    end: float
    lines: tuple[str, ...]


@dataclass
class _Open:
    """Block whose lines are still read; None as its times means that they cannot be read."""

    times: tuple[float, float] | None
    lines: list[str] = field(default_factory=list)


def read_blocks(path: Path, text: str) -> Read[list[Block]]:
    """Return the cues whose times can be read, in file order.

    A line with times begins a cue, whether or not an empty line comes before it. The number above it is no text, and
    neither is a WebVTT identifier. Times may have a full stop or a comma before the fraction, and need no hours. A text
    may follow them on the same line. Lines that rolling captions repeat from the cue before are left out.

    Raises:
        InputError: the text has no line with times.
    """
    if "-->" not in text and not any(map(_TIMING.match, re.split(r"\r\n?|\n", text))):
        raise InputError.at(path, "contains no subtitles", FORMS)
    lines = re.split(r"\r\n?|\n", text.strip("\ufeff \t\r\n"))
    kind = "vtt" if lines[0].startswith("WEBVTT") else "srt"
    numbered = _is_numbered(lines)
    found: list[_Open] = []
    odd_times = no_gap = 0
    for line in _without_comments(lines) if kind == "vtt" else lines:
        timing = _TIMING.match(line)
        if timing is None and "-->" not in line:
            if found:
                found[-1].lines.append(line)
            continue
        if found:
            _drop_name(found[-1].lines, numbered, kind)
            no_gap += bool(found[-1].lines) and bool(found[-1].lines[-1].strip())
        odd_times += timing is not None and _USUAL[kind].match(line.strip()) is None
        found.append(_Open(_seconds(timing), _text_behind(timing, line)))
    blocks = [Block(*block.times, _trimmed(block.lines)) for block in found if block.times is not None]
    gaps = sum(not line.strip() for block in blocks for line in block.lines)
    warnings = [*_warnings(path, len(found) - len(blocks), odd_times, no_gap, gaps)]
    if _ROLLING.search(text) is None:
        return Read(blocks, tuple(warnings))
    kept, repeated = _without_repeated(blocks)
    if repeated:
        warnings.append(f"{path}: lines repeated from the cue before, as rolling captions do, left out: {repeated}")
    return Read(kept, tuple(warnings))


def _warnings(path: Path, unread: int, odd_times: int, no_gap: int, gaps: int) -> Iterator[str]:
    if unread:
        yield f"{path}: cues that could not be read: {unread}"
    if odd_times:
        yield f"{path}: lines of times that differ from the usual form, but could be read: {odd_times}"
    if no_gap:
        yield f"{path}: cues without an empty line before them: {no_gap}; each is read as a cue of its own"
    if gaps:
        yield f"{path}: empty lines inside cues: {gaps}; the text after them belongs to the same cue"


def _text_behind(timing: re.Match[str] | None, line: str) -> list[str]:
    """Return the text that follows the times on their line, as one line; nothing for the settings of a player."""
    behind = "" if timing is None else line[timing.end() :].strip()
    return [] if all(map(_SETTING.fullmatch, behind.split())) else [behind]


def _without_repeated(blocks: Sequence[Block]) -> tuple[list[Block], int]:
    """Return the cues without lines of the cue before, and how many lines those were; nothing else may remain."""
    kept: list[Block] = []
    before: frozenset[str] = frozenset()
    repeated = 0
    for block in blocks:
        plain = [" ".join(_TAG.sub("", line).split()) for line in block.lines]
        lines = tuple(line for line, bare in zip(block.lines, plain, strict=True) if bare and bare not in before)
        repeated += sum(bare in before for bare in plain if bare)
        before = frozenset(plain) - {""}
        if lines:
            kept.append(Block(block.start, block.end, lines))
    return kept, repeated


def _is_numbered(lines: Sequence[str]) -> bool:
    """Return whether the first line with times has a number above it."""
    above = ""
    for line in lines:
        if _TIMING.match(line) or "-->" in line:
            return _NUMBER.fullmatch(above) is not None
        above = line if line.strip() else above
    return False


def _without_comments(lines: Sequence[str]) -> Iterator[str]:
    """Yield the lines of WebVTT without notes and styles, each of which ends with an empty line."""
    above, in_comment = "", False
    for line in lines:
        in_comment = bool(line.strip()) and (in_comment or (not above.strip() and _COMMENT.match(line) is not None))
        above = line
        if not in_comment:
            yield line


def _drop_name(lines: list[str], numbered: bool, kind: str) -> None:
    """Drop the number or identifier of the next cue from the end of the lines of a cue."""
    place = next((n for n in reversed(range(len(lines))) if lines[n].strip()), None)
    if place is None:
        return
    is_number = numbered and _NUMBER.fullmatch(lines[place]) is not None
    is_identifier = kind == "vtt" and place == len(lines) - 1 and place > 0 and not lines[place - 1].strip()
    if is_number or is_identifier:
        del lines[place:]


def _seconds(timing: re.Match[str] | None) -> tuple[float, float] | None:
    if timing is None:
        return None
    parts = timing.groups(default="0")
    start, end = (
        int(hours) * 3600 + int(minutes) * 60 + int(seconds) + int(fraction) / 10.0 ** len(fraction)
        for hours, minutes, seconds, fraction in (parts[:4], parts[4:])
    )
    return start, end


def _trimmed(lines: Sequence[str]) -> tuple[str, ...]:
    """Return the lines without empty ones at the start and at the end."""
    full = [place for place, line in enumerate(lines) if line.strip()]
    return tuple(lines[full[0] : full[-1] + 1]) if full else ()
