"""The columns of a table that say where an utterance is seen and heard: clip, start, end."""

import math
from pathlib import Path

from ercfw import Clip, InputError
from ercfw_datasets.csv_file import CsvRow


def read_clip(row: CsvRow, folder: Path, clip: str, start: str, end: str) -> Clip | None:
    """The clip of a line, or None where its column is empty.

    Args:
        row: the line.
        folder: what a clip's path is relative to.
        clip: the name of the column, which must be there.
        start: likewise; an empty one is the clip's beginning.
        end: likewise; an empty one is the clip's end.

    Raises:
        InputError: start or end is no time, or they are reversed.
    """
    path = row.fields[clip].strip()
    begins, ends = _read_stretch(row, start, end)
    return Clip(folder / path, begins or 0.0, ends) if path else None


def read_time(row: CsvRow, start: str, end: str) -> tuple[float, float] | None:
    """Start and end of a line in seconds; None unless both are there.

    Raises:
        InputError: one is no time, or they are reversed.
    """
    begins, ends = _read_stretch(row, start, end)
    return None if begins is None or ends is None else (begins, ends)


def _read_stretch(row: CsvRow, start: str, end: str) -> tuple[float | None, float | None]:
    begins, ends = _read_seconds(row, start), _read_seconds(row, end)
    if ends is not None and ends <= (begins or 0.0):
        raise InputError.at(f"{row.where}: {end}", f"is {ends:g} s, not after the start at {begins or 0.0:g} s")
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
        raise InputError.at(f"{row.where}: {column}", f"'{value}' is no time", "seconds, such as 12.5")
    return seconds
