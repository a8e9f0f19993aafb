"""Read the records of a CSV file, each with the line where it begins."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from ercfw.errors import InputError


def read_csv_records(path: Path, text: TextIO) -> Iterator[tuple[str, list[str]]]:
    """Yield each record that is not empty, with its place (``file, line 7``).

    Args:
        path: the file, for messages.
        text: the content of the file, with unchanged line ends.

    Raises:
        InputError: a quote is not closed, or another rule of CSV is broken.
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
