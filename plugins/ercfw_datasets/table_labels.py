"""The labels of a table: as they are, renamed, or scores between thresholds."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ercfw import InputError, Mistake, TableRow, did_you_mean
from ercfw_datasets.class_choice import check_once

MOST_NUMBERS = 10
"""More different numbers than this are scores, unless they count up from 0 or 1."""
NUMBERS = '[data.targets.score] kind = "regression" and its range'
SUCH_AS = '[data] thresholds = [0.0] and classes = ["negative", "positive"]'


@dataclass(frozen=True)
class TableLabels:
    """How a recipe reads the labels of a table.

    Attributes:
        renamed: the class for each label to be changed; ``""`` leaves its utterances out.
        classes: the classes in order; None = those of the labels.
        thresholds: the limits between the classes, if the labels are scores; may be empty.
        role: the role of the column of labels.
        where: the table of the recipe, for messages.
    """

    renamed: Mapping[str, str]
    classes: tuple[str, ...] | None
    thresholds: tuple[float, ...]
    role: str = "label"
    where: str = "[data]"

    def check(self, rows: Sequence[TableRow]) -> None:
        """Check the options against each other and against the rows.

        Raises:
            InputError: if an option does not fit, or the labels are scores without thresholds.
        """
        check_once(self.classes or ())
        first: dict[str, str] = {}
        for row in rows:
            first.setdefault(row.fields.get(self.role, "").strip(), row.place(self.role))
        first.pop("", None)
        for label in self.renamed:
            if label not in first:
                hint = did_you_mean(label, first)
                raise InputError.at(f"{self.where} labels: {label}", "no utterance has this label", hint)
        read = {self.renamed.get(label, label): where for label, where in first.items()}
        read.pop("", None)
        if self.thresholds:
            self._check_thresholds(read)
        elif self.classes is None:
            _check_no_scores(read)

    def _check_thresholds(self, read: Mapping[str, str]) -> None:
        where, needed = f"{self.where} thresholds", len(self.thresholds) + 1
        if any(after <= before for before, after in pairwise(self.thresholds)):
            raise InputError.at(where, "do not increase", "write them from the lowest to the highest")
        if self.classes is None or len(self.classes) != needed:
            what = (
                f"{len(self.thresholds)} thresholds make {needed} classes, but classes names {len(self.classes or ())}"
            )
            raise InputError.at(where, what, f"such as {SUCH_AS}")
        hint = f'rename it to a number, or leave it out: {self.where} labels = {{ "%s" = "" }}'
        mistakes = [Mistake(at, f"'{x}' is not a number", hint % x) for x, at in read.items() if not _is_number(x)]
        if mistakes:
            raise InputError(mistakes)

    def read(self, rows: Sequence[TableRow]) -> list[str | None]:
        """Return the class of each row, as ``class_of``."""
        return [self.class_of(row.fields.get(self.role, "").strip()) for row in rows]

    def class_of(self, label: str) -> str | None:
        """Return the class of a label; empty if it is empty, None if its utterance is left out."""
        new = self.renamed.get(label, label) if label else ""
        if not new:
            return None if label else ""
        if not self.thresholds or self.classes is None:
            return new
        return self.classes[bisect_right(self.thresholds, float(new))]

    def classes_of(self, labels: Iterable[str | None], place: str) -> tuple[str, ...]:
        """Return the classes: those of the recipe, or all of these.

        Raises:
            InputError: if the recipe names no classes, and there is no label.
        """
        if self.classes:
            return self.classes
        found = tuple(sorted({label for label in labels if label}))
        if not found:
            raise InputError.at(place, "no utterance has a label", f"set {self.where} classes if this is intended")
        return found

    def how_to_declare(self, classes: Sequence[str]) -> str:
        """Return a hint for a label that is not one of the classes."""
        whose = "" if self.classes else ", the labels of train and dev"
        scores = f"; if the labels are scores, set {self.where} thresholds" if all(map(_is_number, classes)) else ""
        return (
            f"{whose}; add it to {self.where} classes if it is a class, or rename it with {self.where} labels{scores}"
        )


def _number(text: str) -> float | None:
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _is_number(text: str) -> bool:
    return _number(text) is not None


def _check_no_scores(read: Mapping[str, str]) -> None:
    """Refuse labels that can only be scores: many different numbers."""
    numbers = sorted((number, label) for label in read if (number := _number(label)) is not None)
    values = [number for number, _ in numbers]
    counted = values and values[0] in (0, 1) and values == [values[0] + place for place in range(len(values))]
    if len(numbers) <= max(MOST_NUMBERS, len(read) / 2) or counted:
        return
    where = read[numbers[0][1]]
    what = f"the labels are {len(numbers)} different numbers, from {numbers[0][1]} to {numbers[-1][1]}, not classes"
    hint = (
        f"to predict the scores, set {NUMBERS}; for classes, set limits between them, such as {SUCH_AS}; "
        "if each number is a class, list all of them in [data] classes"
    )
    raise InputError.at(where, what, hint)
