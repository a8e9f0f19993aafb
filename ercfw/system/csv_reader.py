"""The records of a CSV file, each with the line it begins at."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from ercfw.errors import InputError


def read_csv_records(path: Path, text: TextIO) -> Iterator[tuple[str, list[str]]]:
    """Each record that is not empty, and where it begins (``file, line 7``).

    Args:
        path: the file, for messages.
        text: what is in it, with its line ends as they are.

    Raises:
        InputError: quotes do not close, or other rules of CSV are broken.
    """
    reader = csv.reader(text, strict=True)
    while True:
        where = f"{path}, line {reader.line_num + 1}"
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError.at(where, f"is not a CSV record: {error}", "are its quotes closed?") from error
        if cells:
            yield where, cells
