"""Rows of a CSV table of utterances, with the columns that a reader asks for."""

import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from sys import intern

from ercfw.contract.conversation import UtteranceId
from ercfw.data.tables.ids import repeated_id
from ercfw.data.tables.read import Read
from ercfw.data.tables.text import read_text
from ercfw.data.tables.times import Stretch, read_stretch
from ercfw.data.tables.utterances import ONE_SPEAKER
from ercfw.errors import InputError, Mistake, did_you_mean
from ercfw.system.csv_reader import read_csv_records

IDS = ("conversation", "utterance")


@dataclass(frozen=True, slots=True)
class TableRow:
    """One utterance of a CSV table.

    A role is what a column means, such as ``speaker``. The table may call the column differently.

    Attributes:
        where: file and line, for messages.
        id: the conversation and the utterance. Without a column for them, the conversation has the name of the file,
            and the utterance its number in the conversation, from 1.
        fields: the text of each role that the table has a column for, unchanged.
        columns: the table's name for each role.
    """

    where: str
    id: UtteranceId
    fields: Mapping[str, str]
    columns: Mapping[str, str]

    @property
    def speaker(self) -> str:
        """Speaker, unchanged; the same for all rows if the table has no column for it."""
        return self.fields.get("speaker", ONE_SPEAKER)

    @property
    def text(self) -> str:
        """Text, unchanged; empty if the table has no column for it."""
        return self.fields.get("text", "")

    def place(self, role: str) -> str:
        """Return file, line and column, for messages."""
        return f"{self.where}: {self.columns.get(role, role)}"

    def stretch(self) -> Stretch:
        """Return the times in the roles ``start`` and ``end``: seconds, or ``00:01:12,500``.

        Invalid times raise no error. They are in ``mistakes`` of the result, beside ``start``, ``end`` and ``both``.
        """
        start, end = ((self.place(role), self.fields.get(role, "")) for role in ("start", "end"))
        return read_stretch(start, end)


def read_table(path: Path, columns: Mapping[str, str], needed: Mapping[str, str]) -> Read[tuple[TableRow, ...]]:
    """Read a CSV table with one row per utterance; its first line names the columns, others than these are ignored.

    Args:
        path: the file, in UTF-8, UTF-16 with a byte-order mark, or cp1252.
        columns: the table's name for each role. The roles ``conversation`` and ``utterance`` make the ids, ``start``
            and ``end`` the times.
        needed: the roles that must have a column, and for each the setting that names it, for messages.

    Returns:
        The rows in ``value``, at least one, and the ``warnings``.

    Raises:
        InputError: the file cannot be read, a needed column is missing, a column is named twice, an id is empty or
            occurs twice, or a row has too few or too many fields. All such mistakes are reported at once.
    """
    opened = open_csv(path)
    return Read(rows_of(opened.value, columns, needed), opened.warnings)


@dataclass(frozen=True)
class OpenCsv:
    """CSV file of which the header was read.

    Attributes:
        path: the file.
        where: file and line of the header.
        header: the names of the columns.
        records: the other records, each with its file and line; they can be read once.
    """

    path: Path
    where: str
    header: tuple[str, ...]
    records: Iterator[tuple[str, list[str]]]


def open_csv(path: Path) -> Read[OpenCsv]:
    """Read the header of a CSV file.

    Raises:
        InputError: the file cannot be read or is empty, or its header is not CSV.
    """
    read = read_text(path)
    if not read.value.strip():
        raise InputError.at(path, "is empty", "the first line must name the columns")
    records = read_csv_records(path, io.StringIO(read.value, newline=""))
    where, header = next(records)
    return Read(OpenCsv(path, where, tuple(header), records), read.warnings)


def rows_of(table: OpenCsv, columns: Mapping[str, str], needed: Mapping[str, str]) -> tuple[TableRow, ...]:
    """Return the rows of an opened table; ``read_table`` documents the arguments and errors."""
    if mistakes := list(_header_mistakes(table, columns, needed)):
        raise InputError(mistakes)
    places = {role: table.header.index(name) for role, name in columns.items() if name in table.header}
    names = {role: columns[role] for role in places}
    sizes: dict[str, int] = {}
    rows: list[TableRow] = []
    try:
        for where, cells in table.records:
            if len(cells) != len(table.header):
                hint = f"the header names {len(table.header)}; put quotes around fields that contain commas"
                mistakes.append(Mistake(where, f"has {len(cells)} fields", hint))
                continue
            fields = {role: cells[place] for role, place in places.items()}
            conversation = intern(fields.get("conversation", table.path.stem).strip())
            sizes[conversation] = sizes.get(conversation, 0) + 1
            utterance = intern(fields.get("utterance", str(sizes[conversation])).strip())
            rows.append(TableRow(where, (conversation, utterance), fields, names))
    except InputError as error:  # quotes that do not close: no record can be read after them
        mistakes += error.mistakes
    mistakes += _id_mistakes(rows)
    if mistakes:
        raise InputError(mistakes)
    if not rows:
        raise InputError.at(table.path, "contains no utterances", "write one line per utterance after the header")
    return tuple(rows)


def _header_mistakes(table: OpenCsv, columns: Mapping[str, str], needed: Mapping[str, str]) -> Iterator[Mistake]:
    for role, name in columns.items():
        where = f"{table.where}: {name}"
        setting = f" ({needed[role]})" if role in needed else ""
        if table.header.count(name) > 1:
            yield Mistake(where, f"the header names this column twice{setting}", "rename or delete one of them")
        elif role in needed and name not in table.header:
            yield Mistake(where, f"there is no such column{setting}", did_you_mean(name, table.header))


def _id_mistakes(rows: Iterable[TableRow]) -> Iterator[Mistake]:
    whole: list[TableRow] = []
    for row in rows:
        empty = [role for role, text in zip(IDS, row.id, strict=True) if not text]
        hint = "every utterance needs a conversation and an utterance id"
        yield from (Mistake(row.place(role), "is empty", hint) for role in empty)
        whole += [] if empty else [row]
    if repeated := repeated_id((row.where, row.id) for row in whole):
        yield repeated
