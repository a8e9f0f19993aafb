"""Transcript: a CSV table with one line per utterance."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ercfw.contract.conversation import Clip, Conversation, UtteranceId
from ercfw.data.tables.read import Read
from ercfw.data.tables.rows import Columns, TableRow, columns_of, open_csv, rows_of
from ercfw.data.tables.utterances import Utterance, to_conversations
from ercfw.errors import InputError, Mistake, did_you_mean, with_warnings
from ercfw.registry.catalog import Catalog

COLUMNS = ("conversation", "utterance", "speaker", "text", "clip", "start", "end", "cues")
CUES = "cues"


@dataclass(frozen=True)
class TableForm:
    """Form of a table of utterances.

    Attributes:
        columns: the table's name for each role; the table has this form if it has all of these columns.
        clip: the pattern of a clip's name, such as ``dia{conversation}_utt{utterance}``; may be empty.
        speaker: returns the speaker that a cell names, and raises ValueError if it names none.
    """

    columns: Columns
    clip: str = ""
    speaker: Callable[[str], str] = str

    def fits(self, header: Collection[str]) -> bool:
        """Return whether a table with these columns has this form."""
        return all(name in header for names in self.columns.values() for name in columns_of(names))


@dataclass(frozen=True)
class Transcript:
    """Content of a transcript.

    Attributes:
        path: its file.
        columns: the roles that it has a column for, and ``clip`` if its form names clips.
        utterances: the utterances, in file order. The path of a clip is as the table writes it, by default the id of
            the utterance. A clip is None if the table's cell is empty or the times are invalid.
    """

    path: Path
    columns: frozenset[str]
    utterances: tuple[Utterance, ...]

    def conversations(self, clips: Mapping[UtteranceId, Clip | None]) -> list[Conversation]:
        """Return the conversations in the order of their first line, with these clips."""
        clipped = [replace(utterance, clip=clips.get(utterance.id)) for utterance in self.utterances]
        splits = {utterance.id[0]: "test" for utterance in self.utterances}
        return list(to_conversations(clipped, splits))


def table_forms(catalog: Catalog) -> tuple[TableForm, ...]:
    """Return the forms of table that datasets of installed plugins name."""
    datasets = [component.factory for component in catalog.components("dataset")]
    return tuple(
        TableForm(dataset.transcript_columns, dataset.transcript_clip, dataset.transcript_speaker)
        for dataset in datasets
        if dataset.transcript_columns
    )


def read_transcript(path: Path, forms: Iterable[TableForm]) -> Read[Transcript]:
    """Read a CSV file whose first line names its columns: ``text``, ``clip``, or both, and any of ``COLUMNS``.

    Other columns are ignored. A table in one of the ``forms`` is read by the names of that form instead. A line whose
    times are invalid keeps its text, and loses its clip and times; a warning reports it.

    Raises:
        InputError: the file is not such a table; every invalid line is reported.
    """
    opened = open_csv(path)
    header = opened.value.header
    form = next((form for form in forms if form.fits(header)), None)
    if form is None:
        form = TableForm({name: name for name in COLUMNS if name in header})
        if not {"text", "clip"} & form.columns.keys():
            hint = did_you_mean("text", header)
            with with_warnings(opened.warnings):
                raise InputError.at(opened.value.where, "there is no column 'text' or 'clip'", hint)
    with with_warnings(opened.warnings):
        own = {CUES: CUES} if CUES in header else {}  # tables in the form of a corpus may have it, too
        rows = rows_of(opened.value, {**form.columns, **own}, {})
    mistakes = [mistake for row in rows for mistake in row.stretch().mistakes]
    warnings = [*opened.warnings, *(f"{mistake}; the clip and times of this line are ignored" for mistake in mistakes)]
    if "speaker" not in form.columns:
        warnings.append(f"{path}: there is no speaker column, so each conversation has one speaker")
    columns = frozenset({*form.columns, *(["clip"] if form.clip else [])})
    with with_warnings(warnings):
        return Read(Transcript(path, columns, _utterances(rows, form)), tuple(warnings))


def _utterances(rows: Sequence[TableRow], form: TableForm) -> tuple[Utterance, ...]:
    utterances, mistakes = [], []
    for row in rows:
        stretch = row.stretch()
        name = "" if stretch.mistakes else _clip_name(row, form.clip)
        clip = Clip(Path(name), stretch.start or 0.0, stretch.end) if name else None
        time = None if stretch.mistakes else stretch.both
        try:
            cues = row.fields.get(CUES, "").strip()
            utterances.append(Utterance(row.where, row.id, form.speaker(row.speaker), row.text, time, clip, cues))
        except ValueError as error:
            mistakes.append(Mistake(row.place("speaker"), str(error)))
    if mistakes:
        raise InputError(mistakes)
    return tuple(utterances)


def _clip_name(row: TableRow, pattern: str) -> str:
    conversation, utterance = row.id
    if pattern:
        return pattern.replace("{conversation}", conversation).replace("{utterance}", utterance)
    return row.fields.get("clip", utterance).strip()
