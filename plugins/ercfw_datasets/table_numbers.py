"""The targets of a table: ``[data.targets.NAME]`` says which columns hold its labels, and what they are."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from ercfw import InputError, Mistake, TableRow, Target, TargetKind, did_you_mean

Finite = Annotated[float, Field(allow_inf_nan=False)]
Range = tuple[Finite, Finite]
SUM_TOLERANCE = 1e-3
"""Shares of annotators that were rounded add up to 1 within this."""


class TargetTable(BaseModel):
    """``[data.targets.NAME]``: one target of a table.

    Attributes:
        kind: what the target is.
        columns: the table's column: one, several, or the column of each name; by default that of the target's name.
        range: for numbers, the lowest and highest value: of all, or of each by name.
        shares: whether the columns hold the share of annotators who chose each class or gave each label.
        separator: for labels that are in one column, what separates them, such as ``|``.
        labels: for classes, the class for a label of the file, or ``""`` to leave its utterances out.
        classes: for classes, their order; for labels in one column, all of them in order.
        thresholds: for classes made of scores, the limits between them.
        agreement: the column with the share of annotators who agreed with the label.
    """

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    kind: TargetKind = "classes"
    columns: str | tuple[str, ...] | dict[str, str] | None = None
    range: Range | dict[str, Range] | None = None
    shares: bool = False
    separator: Annotated[str, Field(min_length=1)] | None = None
    labels: dict[str, str] | None = None
    classes: tuple[str, ...] | None = None
    thresholds: tuple[Finite, ...] = ()
    agreement: str | None = None

    def named_columns(self, target: str) -> dict[str, str]:
        """Return the table's column for each class, number or label; or one for all, by the name of the target."""
        if self.columns is None or isinstance(self.columns, str):
            return {target: self.columns or target}
        named = dict(self.columns) if isinstance(self.columns, Mapping) else {name: name for name in self.columns}
        # A single number is named like its target.
        return dict(zip([target], named.values(), strict=True)) if self.is_number and len(named) == 1 else named

    @property
    def is_number(self) -> bool:
        """Return whether the target consists of numbers."""
        return self.kind == "regression"


def role(target: str, name: str) -> str:
    """Return the role of a column that holds labels."""
    return f"{target}.{name}"


@dataclass(frozen=True)
class NumberColumns:
    """Columns of numbers: of a regression target, of labels, or of shares of annotators.

    Attributes:
        name: the name of the target.
        target: what it is.
        limits: the lowest and highest value of each column.
        adds_up: whether the numbers of an utterance add up to 1.
    """

    name: str
    target: Target
    limits: Sequence[Range]
    adds_up: bool = False

    def read(self, rows: Iterable[TableRow]) -> list[NDArray[np.float32]]:
        """Return the numbers of each row, ``[C]`` float32; NaN if all cells are empty.

        Raises:
            InputError: a cell is no number or out of range, some cells are empty, or shares do not add up to 1; the
                message lists every mistake.
        """
        mistakes: list[Mistake] = []
        read = [self._of(row, mistakes) for row in rows]
        if mistakes:
            raise InputError(mistakes)
        return read

    def _of(self, row: TableRow, mistakes: list[Mistake]) -> NDArray[np.float32]:
        roles = [role(self.name, name) for name in self.target.names]
        cells = [row.fields.get(each, "").strip() for each in roles]
        unknown = np.full(len(cells), np.nan, np.float32)  # [C]
        if not any(cells):
            return unknown
        found = [
            mistake
            for each, cell, limits in zip(roles, cells, self.limits, strict=True)
            if (mistake := _cell_mistake(row.place(each), cell, limits)) is not None
        ]
        if found:
            mistakes += found
            return unknown
        numbers = [float(cell) for cell in cells]
        if self.adds_up and abs(math.fsum(numbers) - 1) > SUM_TOLERANCE:
            what = f"the shares of '{self.name}' add up to {math.fsum(numbers):.4g}"
            mistakes.append(Mistake(row.where, what, "they must add up to 1; divide numbers of votes by their sum"))
        return np.array(numbers, np.float32)


def _cell_mistake(where: str, cell: str, limits: Range) -> Mistake | None:
    if not cell:
        return Mistake(where, "is empty, but other columns of this target are not", "fill in all or none of them")
    try:
        number = float(cell)
    except ValueError:
        return Mistake(where, f"'{cell}' is not a number", "write a number, or leave the cell empty")
    if not math.isfinite(number):
        return Mistake(where, f"'{cell}' is not a finite number", "write a number, or leave the cell empty")
    low, high = limits
    if not low <= number <= high:
        return Mistake(where, f"{cell} is out of range", f"write a number from {low:g} to {high:g}")
    return None


@dataclass(frozen=True)
class LabelList:
    """One column with all labels of an utterance, such as ``joy|surprise``.

    Attributes:
        name: the name of the target.
        target: what it is.
        separator: what separates the labels.
    """

    name: str
    target: Target
    separator: str

    def read(self, rows: Iterable[TableRow]) -> list[NDArray[np.float32]]:
        """Return the labels of each row, ``[C]`` of 0 and 1; NaN if the cell is empty.

        A cell that holds the separator alone says that no label is there.

        Raises:
            InputError: a label is unknown; the message lists all of them.
        """
        mistakes: dict[str, Mistake] = {}
        read = []
        for row in rows:
            cell = row.fields.get(role(self.name, self.name), "").strip()
            given = {label.strip() for label in cell.split(self.separator)} - {""}
            for label in sorted(given - set(self.target.names)):
                what, hint = f"'{label}' is no label of '{self.name}'", did_you_mean(label, self.target.names)
                mistakes.setdefault(label, Mistake(row.place(role(self.name, self.name)), what, hint))
            labels = [float(name in given) for name in self.target.names]
            read.append(np.array(labels if cell else [math.nan] * len(labels), np.float32))
        if mistakes:
            raise InputError(list(mistakes.values()))
        return read


@dataclass(frozen=True)
class AgreementColumn:
    """The share of annotators who agreed with the label of an utterance.

    Attributes:
        name: the name of the target.
    """

    name: str

    def read(self, rows: Iterable[TableRow]) -> list[float]:
        """Return the share of each row, above 0 and at most 1; 1 for an empty cell.

        Raises:
            InputError: a cell is no such number; the message lists every mistake.
        """
        mistakes: list[Mistake] = []
        shares = [self._of(row, mistakes) for row in rows]
        if mistakes:
            raise InputError(mistakes)
        return shares

    def _of(self, row: TableRow, mistakes: list[Mistake]) -> float:
        cell = row.fields.get(agreement_role(self.name), "").strip()
        if not cell:
            return 1.0
        mistake = _cell_mistake(row.place(agreement_role(self.name)), cell, (0.0, 1.0))
        if mistake is None and float(cell) == 0:
            what = "is 0, so that the label would not count"
            mistake = Mistake(row.place(agreement_role(self.name)), what, "leave the label empty instead")
        mistakes += [mistake] if mistake is not None else []
        return float(cell) if mistake is None else 1.0


def agreement_role(target: str) -> str:
    """Return the role of the column with the share of annotators who agreed."""
    return f"{target}: agreement"


def reader_of(name: str, table: TargetTable) -> NumberColumns | LabelList | None:
    """Return how the labels of a target are read; None for classes, which ``TableLabels`` reads.

    Raises:
        InputError: keys contradict each other, or the range of numbers is missing.
    """
    where, columns = f"[data.targets.{name}]", table.named_columns(name)
    _check_keys(where, table, columns)
    names = tuple(columns)
    if table.is_number:
        ranges = _ranges(where, table, names)
        return NumberColumns(name, Target(names, "regression", ranges), ranges)
    if table.separator is not None:
        return LabelList(name, Target(table.classes or (), "multilabel"), table.separator)
    if table.kind == "multilabel" or table.shares:
        target = Target(names, table.kind, soft=table.shares)
        return NumberColumns(name, target, [(0.0, 1.0)] * len(names), adds_up=table.kind == "classes")
    return None


def _ranges(where: str, table: TargetTable, names: Sequence[str]) -> tuple[Range, ...]:
    if table.range is None:
        raise InputError.at(f"{where} range", "is missing", "the lowest and highest value, such as range = [-3, 3]")
    by_name = table.range if isinstance(table.range, Mapping) else dict.fromkeys(names, table.range)
    if set(by_name) != set(names):
        odd = sorted(set(by_name) ^ set(names))[0]
        raise InputError.at(
            f"{where} range", f"does not fit the numbers: {odd}", f"give one for each of {', '.join(names)}"
        )
    for name, (low, high) in by_name.items():
        if low >= high:
            raise InputError.at(f"{where} range", f"of '{name}' is [{low:g}, {high:g}]", "write the lowest value first")
    return tuple(by_name[name] for name in names)


def _check_keys(where: str, table: TargetTable, columns: Mapping[str, str]) -> None:
    """Check that only keys are set that apply to the kind."""
    made_of_names = table.kind == "classes" and not table.shares
    applies: dict[str, tuple[Any, bool, str]] = {
        "range": (table.range, table.kind == "regression", "applies to numbers only"),
        "labels": (table.labels, made_of_names, "applies to classes in one column only"),
        "thresholds": (table.thresholds, made_of_names, "applies to classes in one column only"),
        "classes": (table.classes, made_of_names or table.separator is not None, "applies to names in one column only"),
        "separator": (table.separator, table.kind == "multilabel", "applies to labels only"),
        "shares": (table.shares, table.kind != "regression", "applies to classes and labels only"),
    }
    for key, (value, fits, what) in applies.items():
        if value and not fits:
            raise InputError.at(f"{where} {key}", what, f"kind is {table.kind}; remove it")
    if table.separator is not None and not table.classes:
        raise InputError.at(f"{where} classes", "is missing", "list all labels, in order")
    in_one = made_of_names or table.separator is not None
    if in_one and len(columns) != 1:
        raise InputError.at(f"{where} columns", f"names {len(columns)} columns", "names are read from one column")
    if not in_one and table.kind != "regression" and len(columns) < 2:
        what = "names one column" if table.columns is not None else "is missing"
        raise InputError.at(f"{where} columns", what, 'name a column per class or label, such as ["joy", "anger"]')
