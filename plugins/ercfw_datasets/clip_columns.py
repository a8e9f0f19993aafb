"""The columns of a table that say where an utterance can be seen and heard: clip, start, end."""

import math
from pathlib import Path

from ercfw import Clip, InputError
from ercfw_datasets.csv_file import CsvRow


def read_clip(row: CsvRow, folder: Path, clip: str, start: str, end: str) -> Clip | None:
    """Return the clip of a row, or None if its clip column is empty.

    Args:
        row: the row of the table.
        folder: the folder to which the clip's path is relative.
        clip: the name of the clip column, which must exist.
        start: the name of the start column; an empty value means the beginning of the clip.
        end: the name of the end column; an empty value means the end of the clip.

    Raises:
        InputError: if start or end is not a time, or the end is not after the start.
    """
    path = row.fields[clip].strip()
    begins, ends = _read_stretch(row, start, end)
    return Clip(folder / path, begins or 0.0, ends) if path else None


def read_time(row: CsvRow, start: str, end: str) -> tuple[float, float] | None:
    """Return the start and end of a row in seconds; None unless both are given.

    Raises:
        InputError: if one is not a time, or the end is not after the start.
    """
    begins, ends = _read_stretch(row, start, end)
    return None if begins is None or ends is None else (begins, ends)


def _read_stretch(row: CsvRow, start: str, end: str) -> tuple[float | None, float | None]:
    begins, ends = _read_seconds(row, start), _read_seconds(row, end)
    if ends is not None and ends <= (begins or 0.0):
        raise InputError.at(
            f"{row.where}: {end}", f"is {ends:g} s, which is not after the start at {begins or 0.0:g} s"
        )
    return begins, ends


def _read_seconds(row: CsvRow, column: str) -> float | None:
    value = row.fields.get(column, "").strip()
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        seconds = math.nan
    if not (math.isfinite(seconds) and seconds >= 0):
        raise InputError.at(f"{row.where}: {column}", f"'{value}' is not a time", "write seconds, such as 12.5")
    return seconds
