"""The files of a table: one for all utterances, or one per split."""

import re
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from sys import intern
from typing import Literal

from ercfw import SPLITS, InputError, Split, TableRow, UtteranceId, is_file, is_folder
from ercfw_datasets.source_files import Columns, table_rows
from ercfw_datasets.splits import USUAL_NAMES

TABLE = "utterances.csv"
Utterances = str | tuple[str, ...] | dict[Literal["train", "dev", "test"], str]


@dataclass(frozen=True)
class TableFile:
    """One file of a table.

    Attributes:
        path: the file.
        split: the split of its utterances, if the recipe or the name of the file says it.
        rows: its utterances, each with its split if a column or ``split`` says it.
    """

    path: Path
    split: Split | None = None
    rows: tuple[TableRow, ...] = ()


def find_files(root: Path, utterances: Utterances | None) -> list[TableFile]:
    """Return the files that a recipe names; by default ``utterances.csv``, or else files such as ``train.csv``.

    Args:
        root: the folder.
        utterances: a file, several files, or the file of each split.

    Raises:
        InputError: if the recipe names no file.
    """
    if utterances is None:
        return files_of_splits(root) or [TableFile(root / TABLE)]
    if isinstance(utterances, str):
        return [TableFile(root / utterances)]
    if not utterances:
        raise InputError.at("[data] utterances", "names no file", f'such as utterances = "{TABLE}"')
    if isinstance(utterances, Mapping):
        return [TableFile(root / utterances[split], split) for split in SPLITS if split in utterances]
    names = [Path(name) for name in dict.fromkeys(utterances)]
    return [TableFile(root / name, split_of(name.name) or split_of(name.parent.name)) for name in names]


def files_of_splits(root: Path) -> list[TableFile]:
    """Return ``train.csv`` and its likes for dev and test if there is no ``utterances.csv``, in this order."""
    if not is_folder(root) or is_file(root / TABLE):
        return []
    found = [path for path in sorted(root.glob("*.csv")) if split_of(path.name) == "train"]
    return with_other_splits(found[0]) if len(found) == 1 else []


def with_other_splits(path: Path) -> list[TableFile]:
    """Return the files whose names differ from this one in the split only, such as ``dev.csv`` from ``train.csv``.

    The list is empty if the name contains no split, or a split has two such files.
    """
    alike = [other for other in path.parent.glob("*.csv") if _pattern(other.name) == _pattern(path.name)]
    by_split = {split_of(other.name): other for other in alike}
    if split_of(path.name) is None or len(by_split) < len(alike):
        return []
    return [TableFile(by_split[split], split) for split in SPLITS if split in by_split]


def split_of(name: str) -> Split | None:
    """Return the split that a name contains as a word, such as dev in ``corpus_valid.csv``."""
    found = [USUAL_NAMES[word.lower()] for word in _words(name) if word.lower() in USUAL_NAMES]
    return found[0] if len(found) == 1 else None


def _words(name: str) -> list[str]:
    return re.split(r"([\W\d_]+)", name)


def _pattern(name: str) -> tuple[str, ...]:
    return tuple("*" if word.lower() in USUAL_NAMES else word for word in _words(name))


def read_files(files: Sequence[TableFile], columns: Columns, needed: Mapping[str, str]) -> list[TableFile]:
    """Return the files with their rows.

    Args:
        files: the files.
        columns: the table's name for each role.
        needed: the roles that must have a column; see ``ercfw.read_table``.

    Raises:
        InputError: if a file is missing or damaged, or only some of the files say their split.
    """
    read = []
    for file in files:
        rows = table_rows(file.path, columns, needed)
        names = rows[0].columns["conversation"]
        if names != columns["conversation"]:  # read_table found more columns; all files must name conversations alike
            return read_files(files, {**columns, "conversation": names}, needed)
        read.append(replace(file, rows=tuple(_with_split(rows, file.split))))
    unknown = [file.path for file in read if "split" not in file.rows[0].fields]
    if 0 < len(unknown) < len(read):
        hint = f'name the file of each split, such as [data] utterances = {{ train = "{unknown[0].name}" }}'
        raise InputError.at(unknown[0], "neither a column nor the name of the file says its split", hint)
    return _with_distinct_names(read)


def _with_split(rows: Iterable[TableRow], split: Split | None) -> Iterable[TableRow]:
    for row in rows:
        known = split is None or "split" in row.fields
        yield row if known else replace(row, fields={**row.fields, "split": str(split)})


def _with_distinct_names(files: Sequence[TableFile]) -> list[TableFile]:
    """Return the files; if they use the same names for different conversations, put the split or the file before them.

    The names differ in meaning if a conversation is in two splits, or an utterance in two files.
    """
    splits: dict[str, tuple[Path, str]] = {}
    homes: dict[UtteranceId, Path] = {}
    shared = []
    for file in files if len(files) > 1 else ():
        for row in file.rows:
            path, split = splits.setdefault(row.id[0], (file.path, _split(row)))
            if (path != file.path and split != _split(row)) or homes.setdefault(row.id, file.path) != file.path:
                shared.append(row.id[0])
    if not shared:
        return list(files)
    renamed = [replace(f, rows=tuple(replace(r, id=_distinct(f, r)) for r in f.rows)) for f in files]
    warnings.warn(
        f"{files[0].path.parent}: several files have a conversation '{shared[0]}' ({len(set(shared))} such names), so "
        f"the names of all conversations begin with their split or file, such as '{renamed[0].rows[0].id[0]}'",
        stacklevel=3,
    )
    return renamed


def _split(row: TableRow) -> str:
    return row.fields.get("split", "").strip()


def _distinct(file: TableFile, row: TableRow) -> UtteranceId:
    return intern(f"{_split(row) or file.path.stem}/{row.id[0]}"), row.id[1]
