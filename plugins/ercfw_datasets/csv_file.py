"""CSV files of utterances, read row by row with the line in every message."""

import io
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ercfw import InputError, did_you_mean, read_csv_records


@dataclass(frozen=True, slots=True)
class CsvRow:
    """One record: where it stands (``file, line 7``), and its fields by column name."""

    where: str
    fields: Mapping[str, str]


def read_csv(path: Path, columns: Mapping[str, str]) -> Iterator[CsvRow]:
    """The records of a CSV file whose first line names its columns, one at a time.

    Args:
        path: the file; UTF-8, a byte-order mark is fine.
        columns: columns that must be there, and the setting each is named by, for the message.

    Raises:
        InputError: no such file, nothing in it, a column missing or named twice, or a record that is not
            one: too few or too many fields, quotes that do not close.
    """
    text = io.TextIOWrapper(io.BytesIO(read_utf8(path)), "utf-8-sig", newline="")
    records = read_csv_records(path, text)
    _, header = next(records, ("", []))
    if not header:
        raise InputError.at(path, "is empty", "the first line names the columns")
    for column, setting in columns.items():
        if header.count(column) != 1:
            what = "names this column twice" if column in header else "there is no such column"
            raise InputError.at(f"{path}: {column}", f"{what} ({setting})", did_you_mean(column, header))
    empty = True
    for where, fields in records:
        if len(fields) != len(header):
            raise InputError.at(
                where,
                f"has {len(fields)} fields",
                f"the header names {len(header)}; quote fields with commas",
            )
        empty = False
        yield CsvRow(where, dict(zip(header, fields, strict=True)))
    if empty:
        raise InputError.at(path, "holds no utterance", "a line an utterance, after the header")


def read_utf8(path: Path) -> bytes:
    """A text file as UTF-8; a line that is not is read as cp1252 and told of: it must not cost an utterance.

    Raises:
        InputError: it cannot be read, or is UTF-16.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError.at(path, f"cannot be read: {error.strerror}") from error
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise InputError.at(path, "is UTF-16", "save it as UTF-8")
    try:
        data.decode()
        return data
    except UnicodeDecodeError:
        pass
    lines, damaged = [], 0
    for line in data.removeprefix(b"\xef\xbb\xbf").split(b"\n"):
        try:
            lines.append(line.decode())
        except UnicodeDecodeError:
            lines.append(line.decode("cp1252", errors="replace"))
            damaged += 1
    warnings.warn(f"{path}: read as cp1252 where it is not UTF-8 (lines: {damaged})", stacklevel=2)
    return "\n".join(lines).encode()
