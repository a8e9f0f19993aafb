"""CSV files of utterances, read row by row; every message names the line."""

import io
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ercfw import InputError, did_you_mean, read_csv_records


@dataclass(frozen=True, slots=True)
class CsvRow:
    """One row: where it is (``file, line 7``), and its fields by column name."""

    where: str
    fields: Mapping[str, str]


def read_csv(path: Path, columns: Mapping[str, str]) -> Iterator[CsvRow]:
    """Read a CSV file whose first line names its columns, one row at a time.

    Args:
        path: the file, in UTF-8, with or without a byte-order mark.
        columns: the columns that must exist, and for each the setting that names it, for messages.

    Raises:
        InputError: if the file is missing or empty, a column is missing or named twice, or a row has too few or too
            many fields or unclosed quotes.
    """
    text = io.TextIOWrapper(io.BytesIO(read_utf8(path)), "utf-8-sig", newline="")
    records = read_csv_records(path, text)
    _, header = next(records, ("", []))
    if not header:
        raise InputError.at(path, "is empty", "the first line must name the columns")
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
                f"the header names {len(header)}; put quotes around fields that contain commas",
            )
        empty = False
        yield CsvRow(where, dict(zip(header, fields, strict=True)))
    if empty:
        raise InputError.at(path, "contains no utterances", "write one line per utterance after the header")


def read_utf8(path: Path) -> bytes:
    """Read a text file as UTF-8; read lines that are not UTF-8 as cp1252, with a warning, so that no utterance is lost.

    Raises:
        InputError: if the file cannot be read, or is UTF-16.
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
    warnings.warn(f"{path}: lines that are not UTF-8 were read as cp1252: {damaged}", stacklevel=2)
    return "\n".join(lines).encode()
