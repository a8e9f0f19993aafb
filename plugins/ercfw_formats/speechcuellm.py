"""The format of SpeechCueLLM's measurements of MELD's sound (Wu et al., 2024, arXiv:2407.21315)."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ercfw import (
    SPLITS,
    FileFormat,
    InputError,
    Mistake,
    Published,
    TableRow,
    UtteranceId,
    is_file,
    is_folder,
    read_table,
)
from ercfw_formats.corpora import MELD

SLOT = "audio"
FILE = "filename"
NUMBERS = (
    "duration", "avg_intensity", "intensity_variation", "avg_pitch", "pitch_std", "pitch_range", "articulation_rate",
    "mean_hnr",
)  # fmt: skip
NEEDED = "needed by the format speechcuellm"
EMPTY = ("avg_pitch", "articulation_rate")
"""Columns that are empty where the measurement does not exist: no voiced frame, no syllable nucleus."""
CLIP = re.compile(r"dia(0|[1-9][0-9]{0,8})_utt(0|[1-9][0-9]{0,8})\.wav")


class SpeechCueLlm(FileFormat):
    """``train.csv``, ``dev.csv`` and ``test.csv``: eight measurements by Praat per clip, named ``dia3_utt0.wav``.

    The numbers are those of the extractor ``prosody``, in the same order. A clip without a voiced frame has an empty
    pitch, and one without a syllable nucleus an empty articulation rate; both are read as 0, as ``prosody`` gives them.
    A folder may hold some of the files alone. Clips that MELD does not annotate are ignored. This format is read only.
    """

    slots = (SLOT,)

    def read(self, path: Path) -> Published:
        """Read the measurements of each split.

        Raises:
            InputError: there is no such file, or a file cannot be read, lacks a column, names a clip twice or in
                another way, or has a cell that is not a number. All mistakes of the rows are reported at once.
        """
        files = _files(path)
        if not files:
            raise InputError.at(path, "holds no measurements", "expected train.csv, dev.csv, test.csv")
        columns = {name: name for name in (FILE, *NUMBERS)}
        read = {split: read_table(file, columns, dict.fromkeys(columns, NEEDED)) for split, file in files.items()}
        rows = {split: found.value for split, found in read.items()}
        if mistakes := [mistake for found in rows.values() for mistake in _mistakes(found)]:
            raise InputError(mistakes)
        empty = {name: sum(not _cell(row, name) for found in rows.values() for row in found) for name in EMPTY}
        told = ", ".join(f"{name} {count}" for name, count in empty.items() if count)
        return Published(
            paths=tuple(files.values()),
            corpus=MELD.corpus,
            classes=(),
            lists={},
            named={SLOT: {_id(split, row): _vector(row) for split, found in rows.items() for row in found}},
            warnings=(
                *(warning for found in read.values() for warning in found.warnings),
                *([f"{path}: empty cells were read as 0: {told}"] if told else ()),
            ),
        )


def _files(path: Path) -> Mapping[str, Path]:
    """Return the file of each split at a path: a folder, or one of the files."""
    folder = path if is_folder(path) else path.parent
    paths = {split: folder / f"{split}.csv" for split in SPLITS}
    return {split: file for split, file in paths.items() if is_file(file) and (is_folder(path) or file == path)}


def _mistakes(rows: tuple[TableRow, ...]) -> Iterator[Mistake]:
    seen: dict[str, str] = {}
    for row in rows:
        name = _cell(row, FILE)
        if not CLIP.fullmatch(name):
            yield Mistake(row.place(FILE), f"'{name}' is not the name of a clip", "expected one like dia3_utt0.wav")
        elif name in seen:
            yield Mistake(row.place(FILE), f"names '{name}' again, after {seen[name]}", "keep one of the two rows")
        seen.setdefault(name, row.where)
        for column in NUMBERS:
            if (column not in EMPTY or _cell(row, column)) and not np.isfinite(_number(_cell(row, column))):
                yield Mistake(row.place(column), f"'{_cell(row, column)}' is not a finite number")


def _cell(row: TableRow, column: str) -> str:
    return row.fields[column].strip()


def _number(text: str) -> np.float32:
    """Return the number that a text is; NaN if it is none, or too large for 32 bits."""
    try:
        with np.errstate(over="ignore"):
            return np.float32("nan" if "_" in text else text)
    except ValueError:
        return np.float32("nan")


def _id(split: str, row: TableRow) -> UtteranceId:
    dialogue, utterance = CLIP.fullmatch(_cell(row, FILE)).groups()  # type: ignore[union-attr]
    return f"{split}/{dialogue}", utterance


def _vector(row: TableRow) -> NDArray[np.float32]:
    return np.array([_number(_cell(row, name) or "0") for name in NUMBERS], np.float32)  # [8]
