"""Transcript: a CSV table with one line per utterance."""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ercfw.contract.conversation import Clip, Conversation
from ercfw.errors import InputError, Mistake, did_you_mean
from ercfw.predict.text_file import read_text
from ercfw.predict.timecodes import seconds_of
from ercfw.system.csv_reader import read_csv_records

COLUMNS = ("conversation", "utterance", "speaker", "text", "clip", "start", "end")
MELD = {"conversation": "Dialogue_ID", "utterance": "Utterance_ID", "speaker": "Speaker", "text": "Utterance"}
"""MELD's names of the columns; its times count from the start of the episode, not of the clip."""
ONE_SPEAKER = "speaker"


@dataclass(frozen=True, slots=True)
class Line:
    """Utterance of a transcript.

    Attributes:
        where: file and line, for messages.
        conversation: its id; the file's name if there is no such column.
        utterance: its id; its number in the conversation, from 1, if there is no such column.
        speaker: a name.
        text: the text, unchanged.
        clip: its path as the table writes it, by default the utterance's id; None if it has none.
        time: start and end in seconds, if both are given.
    """

    where: str
    conversation: str
    utterance: str
    speaker: str
    text: str
    clip: Clip | None
    time: tuple[float, float] | None


@dataclass(frozen=True)
class Transcript:
    """Content of a transcript.

    Attributes:
        path: its file.
        columns: the known columns that it has.
        lines: the lines, in file order.
    """

    path: Path
    columns: frozenset[str]
    lines: tuple[Line, ...]

    def conversations(self, clip_of: Callable[[Line], Clip | None] = lambda line: None) -> list[Conversation]:
        """Return the conversations in the order of their first line, with the clips that ``clip_of`` returns."""
        groups: dict[str, list[Line]] = {}
        for line in self.lines:
            groups.setdefault(line.conversation, []).append(line)
        return [_conversation(name, group, [clip_of(line) for line in group]) for name, group in groups.items()]


def read_transcript(path: Path, warnings: list[str]) -> Transcript:
    """Read a CSV file whose first line names its columns: ``text``, ``clip``, or both, and any of ``COLUMNS``.

    Other columns are ignored. MELD's own table is recognised by its columns; the clip of its line is
    ``dia<Dialogue_ID>_utt<Utterance_ID>``. A line whose times are invalid keeps its text and loses its clip.

    Raises:
        InputError: the file is not such a table; every invalid line is reported.
    """
    records = read_csv_records(path, io.StringIO(read_text(path, warnings), newline=""))
    where, header = next(records)
    meld = set(MELD.values()) <= set(header)
    names = MELD if meld else {name: name for name in COLUMNS if name in header}
    _check_header(where, header, names)
    found: list[Line] = []
    mistakes: list[Mistake] = []
    sizes: dict[str, int] = {}
    for where, cells in records:
        if len(cells) != len(header):
            hint = f"the header names {len(header)}; quote fields with commas"
            mistakes.append(Mistake(where, f"has {len(cells)} fields", hint))
            continue
        row = dict(zip(header, cells, strict=True))
        fields = {ours: row[theirs] for ours, theirs in names.items()}
        name = fields.get("conversation", path.stem).strip()
        sizes[name] = sizes.get(name, 0) + 1
        utterance = fields.get("utterance", str(sizes[name])).strip()
        if meld:
            fields["clip"] = f"dia{name}_utt{utterance}"
        clip, time = _clip(fields, utterance, where, warnings)
        speaker = fields.get("speaker", ONE_SPEAKER)
        found.append(Line(where, name, utterance, speaker, fields.get("text", ""), clip, time))
    mistakes += _id_mistakes(found)
    if mistakes:
        raise InputError(mistakes)
    if not found:
        raise InputError.at(path, "holds no utterance", "a line an utterance, after the header")
    if "speaker" not in names:
        warnings.append(f"{path}: names no speakers, so a conversation is taken to have one")
    return Transcript(path, frozenset({*names, *(["clip"] if meld else [])}), tuple(found))


def _check_header(where: str, header: Sequence[str], names: Mapping[str, str]) -> None:
    twice = [name for name in names.values() if header.count(name) > 1]
    if twice:
        raise InputError.at(f"{where}: {twice[0]}", "names this column twice")
    if not {"text", "clip"} & names.keys():
        raise InputError.at(where, "names no column 'text' or 'clip'", did_you_mean("text", header))


def _clip(
    fields: Mapping[str, str], utterance: str, where: str, warnings: list[str]
) -> tuple[Clip | None, tuple[float, float] | None]:
    """Return the clip as the line names it, and its times."""
    name = fields.get("clip", utterance).strip()
    said = [fields.get(key, "").strip() for key in ("start", "end")]
    start, end = (seconds_of(text) for text in said)
    if (said[0] and start is None) or (said[1] and end is None) or (end is not None and end <= (start or 0)):
        warnings.append(f"{where}: '{said[0]}' to '{said[1]}' is no stretch of time; its clip is left out")
        return None, None
    time = (start, end) if start is not None and end is not None else None
    return (Clip(Path(name), start or 0.0, end) if name else None), time


def _id_mistakes(lines: Iterable[Line]) -> Iterator[Mistake]:
    seen: dict[tuple[str, str], str] = {}
    for line in lines:
        id = (line.conversation, line.utterance)
        if not all(id):
            yield Mistake(line.where, "has an empty conversation or utterance", "every utterance needs its ids")
        elif id in seen:
            what = f"utterance '{line.utterance}' of conversation '{line.conversation}' stands twice"
            yield Mistake(line.where, what, f"first at {seen[id]}")
        else:
            seen[id] = line.where


def _conversation(name: str, lines: Sequence[Line], clips: Sequence[Clip | None]) -> Conversation:
    return Conversation(
        id=name,
        split="test",
        utterances=tuple(line.utterance for line in lines),
        speakers=tuple(line.speaker for line in lines),
        texts=tuple(line.text for line in lines),
        labels={},
        times=tuple(line.time for line in lines) if any(line.time for line in lines) else (),
        clips=tuple(clips) if any(clips) else (),
    )
