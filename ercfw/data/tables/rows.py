"""Rows of a CSV table of utterances, with the columns that a reader asks for."""

import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from sys import intern

from ercfw.contract.conversation import UtteranceId
from ercfw.data.tables.ids import outer_columns, repeated_id
from ercfw.data.tables.read import Read
from ercfw.data.tables.text import read_text
from ercfw.data.tables.times import Stretch, read_stretch
from ercfw.data.tables.utterances import ONE_SPEAKER
from ercfw.errors import InputError, Mistake, did_you_mean, with_warnings
from ercfw.system.csv_reader import read_csv_records

IDS = ("conversation", "utterance")
Columns = Mapping[str, str | tuple[str, ...]]
"""The table's name for each role. The texts of several columns are joined with slashes, such as ``3/12/4``."""


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
    columns: Columns

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
        return f"{self.where}: {'/'.join(columns_of(self.columns.get(role, role)))}"

    def stretch(self) -> Stretch:
        """Return the times in the roles ``start`` and ``end``: seconds, or ``00:01:12,500``.

        Invalid times raise no error. They are in ``mistakes`` of the result, beside ``start``, ``end`` and ``both``.
        """
        start, end = ((self.place(role), self.fields.get(role, "")) for role in ("start", "end"))
        return read_stretch(start, end)


def read_table(path: Path, columns: Columns, needed: Mapping[str, str]) -> Read[tuple[TableRow, ...]]:
    """Read a CSV table with one row per utterance; its first line names the columns, others than these are ignored.

    If ids occur twice, but columns such as ``Season`` and ``Episode`` distinguish them, these columns become the
    beginning of the conversation's name. A warning reports it, and ``columns`` of the rows lists them.

    Args:
        path: the file, in UTF-8, UTF-16 with a byte-order mark, or cp1252.
        columns: the table's name for each role, or several names. The roles ``conversation`` and ``utterance`` make
            the ids, ``start`` and ``end`` the times.
        needed: the roles that must have a column, and for each the setting that names it, for messages.

    Returns:
        The rows in ``value``, at least one, and the ``warnings``.

    Raises:
        InputError: the file cannot be read, a needed column is missing, a column is named twice, an id is empty or
            occurs twice, or a row has too few or too many fields. All such mistakes are reported at once.
    """
    opened = open_csv(path)
    with with_warnings(opened.warnings):
        return _read_rows(opened, columns, needed)


def _read_rows(opened: Read["OpenCsv"], columns: Columns, needed: Mapping[str, str]) -> Read[tuple[TableRow, ...]]:
    path = opened.value.path
    found = _parse(opened.value, columns, needed)
    outer = outer_columns(opened.value.header, {name for names in columns.values() for name in columns_of(names)})
    if found.repeated and not found.mistakes and outer and "conversation" in columns:
        wider = (*outer, *columns_of(columns["conversation"]))
        again = _parse(open_csv(path).value, {**columns, "conversation": wider}, needed)
        if not again.repeated:
            told = f"{found.repeated}; so the columns {', '.join(wider)} together name the conversation"
            return Read(again.checked(), (*opened.warnings, told))
    return Read(found.checked(), opened.warnings)


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
    with with_warnings(read.warnings):
        if not read.value.strip():
            raise InputError.at(path, "is empty", "the first line must name the columns")
        records = read_csv_records(path, io.StringIO(read.value, newline=""))
        where, header = next(records)
    return Read(OpenCsv(path, where, tuple(header), records), read.warnings)


def rows_of(table: OpenCsv, columns: Columns, needed: Mapping[str, str]) -> tuple[TableRow, ...]:
    """Return the rows of an opened table; ``read_table`` documents the arguments and errors."""
    return _parse(table, columns, needed).checked()


@dataclass(frozen=True)
class _Parsed:
    """Rows of a table, and what is wrong with them.

    Attributes:
        path: the file of the table.
        rows: the rows.
        mistakes: all mistakes but ``repeated``.
        repeated: the first id that occurs twice.
    """

    path: Path
    rows: tuple[TableRow, ...]
    mistakes: tuple[Mistake, ...]
    repeated: Mistake | None

    def checked(self) -> tuple[TableRow, ...]:
        """Return the rows.

        Raises:
            InputError: there are mistakes, or no rows.
        """
        if mistakes := [*self.mistakes, *([self.repeated] if self.repeated else [])]:
            raise InputError(mistakes)
        if not self.rows:
            raise InputError.at(self.path, "contains no utterances", "write one line per utterance after the header")
        return self.rows


def _parse(table: OpenCsv, columns: Columns, needed: Mapping[str, str]) -> _Parsed:
    if mistakes := list(_header_mistakes(table, columns, needed)):
        raise InputError(mistakes)
    names = {role: name for role, name in columns.items() if {*columns_of(name)} <= {*table.header}}
    several = {role: [table.header.index(part) for part in columns_of(name)] for role, name in names.items()}
    places = {role: several.pop(role)[0] for role, name in names.items() if len(columns_of(name)) == 1}
    sizes: dict[str, int] = {}
    rows: list[TableRow] = []
    try:
        for where, cells in table.records:
            if len(cells) != len(table.header):
                hint = f"the header names {len(table.header)}; put quotes around fields that contain commas"
                mistakes.append(Mistake(where, f"has {len(cells)} fields", hint))
                continue
            fields = {role: cells[place] for role, place in places.items()}
            fields |= {role: _joined(cells[place] for place in found) for role, found in several.items()}
            conversation = intern(fields.get("conversation", table.path.stem).strip())
            sizes[conversation] = sizes.get(conversation, 0) + 1
            utterance = intern(fields.get("utterance", str(sizes[conversation])).strip())
            rows.append(TableRow(where, (conversation, utterance), fields, names))
    except InputError as error:  # quotes that do not close: no record can be read after them
        mistakes += error.mistakes
    mistakes += _empty_ids(rows)
    whole = ((row.where, row.id) for row in rows if all(row.id))
    return _Parsed(table.path, tuple(rows), tuple(mistakes), repeated_id(whole))


def columns_of(column: str | tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the columns of a role, which are one or several."""
    return (column,) if isinstance(column, str) else column


def _joined(texts: Iterable[str]) -> str:
    """Return the texts of one role's columns as one; empty if one of them is empty."""
    parts = [text.strip() for text in texts]
    return "/".join(parts) if all(parts) else ""


def _header_mistakes(table: OpenCsv, columns: Columns, needed: Mapping[str, str]) -> Iterator[Mistake]:
    for role, name in ((role, name) for role, names in columns.items() for name in columns_of(names)):
        where = f"{table.where}: {name}"
        setting = f" ({needed[role]})" if role in needed else ""
        if table.header.count(name) > 1:
            yield Mistake(where, f"the header names this column twice{setting}", "rename or delete one of them")
        elif role in needed and name not in table.header:
            yield Mistake(where, f"there is no such column{setting}", did_you_mean(name, table.header))


def _empty_ids(rows: Iterable[TableRow]) -> Iterator[Mistake]:
    hint = "every utterance needs a conversation and an utterance id"
    for row in rows:
        empty = [role for role, text in zip(IDS, row.id, strict=True) if not text]
        yield from (Mistake(row.place(role), "is empty", hint) for role in empty)
