"""Annotation files: the core's readers, whose warnings become warnings of the dataset."""

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path

from ercfw import TableRow, read_table, read_text

Columns = Mapping[str, str | tuple[str, ...]]


def table_rows(path: Path, columns: Columns, needed: Mapping[str, str]) -> tuple[TableRow, ...]:
    """Return the rows of a table; ``ercfw.read_table`` documents the arguments and errors."""
    read = read_table(path, columns, needed)
    _warn(read.warnings)
    return read.value


def text_of(path: Path) -> str:
    """Return the content of a text file.

    Raises:
        InputError: if it cannot be read, or is not a text file.
    """
    read = read_text(path)
    _warn(read.warnings)
    return read.value


def _warn(messages: Iterable[str]) -> None:
    for message in messages:
        warnings.warn(message, stacklevel=3)
