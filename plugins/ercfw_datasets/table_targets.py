"""The targets of a table: which columns hold their labels, how they are read, and what they become."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ercfw import InputError, TableRow, Target, UtteranceId
from ercfw_datasets.annotations import TARGET, Targets, class_labels
from ercfw_datasets.table_labels import TableLabels
from ercfw_datasets.table_numbers import (
    AgreementColumn,
    LabelList,
    NumberColumns,
    TargetTable,
    agreement_role,
    reader_of,
    role,
)

Label = int | NDArray[np.float32]
UNNAMED = "label"
"""The role of the column that holds the labels if the recipe names no targets."""


@dataclass(frozen=True)
class TargetReader:
    """How one target is read.

    Attributes:
        columns: the table's column for each role.
        needed: for each role that must have a column, the setting that names it.
        reading: reads the labels of rows.
        agreement: reads the share of annotators who agreed; None = the table does not tell it.
    """

    columns: Mapping[str, str]
    needed: Mapping[str, str]
    reading: TableLabels | NumberColumns | LabelList
    agreement: AgreementColumn | None = None


@dataclass(frozen=True)
class ReadTargets:
    """The labels of a table.

    Attributes:
        targets: what each target is.
        labels: for each target, the label of each utterance that is not left out.
        left_out: utterances that are in no conversation.
        agreement: for targets that tell it, the share of annotators who agreed with the label of each utterance.
    """

    targets: Targets
    labels: Mapping[str, Mapping[UtteranceId, Label]]
    left_out: frozenset[UtteranceId]
    agreement: Mapping[str, Mapping[UtteranceId, float]]


def target_readers(
    tables: Mapping[str, TargetTable] | None,
    labels: Mapping[str, str],
    classes: tuple[str, ...] | None,
    thresholds: tuple[float, ...],
    label_column: bool,
) -> dict[str, TargetReader]:
    """Return how each target is read: those of ``[data.targets]``, or ``emotion`` from the column ``label``.

    Args:
        tables: the tables ``[data.targets.NAME]``; None = there are none.
        labels: the option ``labels`` of the dataset.
        classes: its option ``classes``.
        thresholds: its option ``thresholds``.
        label_column: whether the recipe names the column ``label``.

    Raises:
        InputError: if options contradict each other.
    """
    if tables is None:
        hint = "set [data] columns, or classes if nothing is labelled"
        needed = {UNNAMED: hint} if label_column or not classes else {}
        return {TARGET: TargetReader({UNNAMED: UNNAMED}, needed, TableLabels(labels, classes, thresholds))}
    options = {"labels": labels, "classes": classes, "thresholds": thresholds, "columns: label": label_column}
    for option, value in options.items():
        if value:
            hint = f"set it in [data.targets.{next(iter(tables))}]"
            raise InputError.at(f"[data] {option}", "cannot be combined with [data.targets]", hint)
    return {name: _reader(name, table) for name, table in tables.items()}


def _reader(name: str, table: TargetTable) -> TargetReader:
    where = f"[data.targets.{name}]"
    reading = reader_of(name, table) or TableLabels(
        table.labels or {}, table.classes, table.thresholds, role(name, name), where
    )
    columns = table.named_columns(name)
    if isinstance(reading, TableLabels | LabelList):
        columns = {name: next(iter(columns.values()))}
    roles = {role(name, each): column for each, column in columns.items()}
    needed = dict.fromkeys(roles, f"{where} columns")
    if table.agreement is None:
        return TargetReader(roles, needed, reading)
    own = agreement_role(name)
    roles, needed = {**roles, own: table.agreement}, {**needed, own: f"{where} agreement"}
    return TargetReader(roles, needed, reading, AgreementColumn(name))


def read_targets(
    readers: Mapping[str, TargetReader],
    rows: Sequence[TableRow],
    kept: Sequence[bool],
    known: Sequence[bool],
    path: Path,
) -> ReadTargets:
    """Return the labels of the rows.

    Args:
        readers: how each target is read.
        rows: the rows of all files.
        kept: whether the conversation of each row is in a split.
        known: whether the label of each row may make a class.
        path: the first file, for messages.

    Raises:
        InputError: if a label cannot be read, or is not one of the classes.
    """
    targets: dict[str, Target | tuple[str, ...]] = {}
    labels: dict[str, Mapping[UtteranceId, Label]] = {}
    left_out = {row.id for row, keep in zip(rows, kept, strict=True) if not keep}
    for name, reader in readers.items():
        reading = reader.reading
        if isinstance(reading, TableLabels):
            reading.check(rows)
            found = [x if keep else None for x, keep in zip(reading.read(rows), kept, strict=True)]
            of_known = [x for x, may in zip(found, known, strict=True) if may]
            place = f"{path}: {next(iter(reader.columns.values()))}"
            classes = reading.classes_of(of_known or found, place)  # a table may be a test split alone
            targets[name] = classes
            labels[name] = class_labels(rows, found, classes, reading.how_to_declare(classes))
            left_out |= {row.id for row, x in zip(rows, found, strict=True) if x is None}
        else:
            targets[name] = reading.target
            labels[name] = {row.id: x for row, x in zip(rows, reading.read(rows), strict=True)}
    told = {name: reader.agreement for name, reader in readers.items() if reader.agreement is not None}
    shares = {
        name: {row.id: x for row, x in zip(rows, column.read(rows), strict=True)} for name, column in told.items()
    }
    return ReadTargets(targets, labels, frozenset(left_out), shares)
