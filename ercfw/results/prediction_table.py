"""Predictions of utterances: one table for runs, ensembles, pooled folds and new data, and its CSV form."""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from ercfw.contract.conversation import UNLABELLED, UtteranceId
from ercfw.errors import InputError
from ercfw.results.comparison.confusion_counts import Array, count
from ercfw.system.files import check_regular, replacing

KEYS = ("conversation", "utterance", "speaker", "text")
"""Columns that every table has."""
DIGITS = 6
"""Decimal places of a probability."""
PREDICTED, PROBABILITY, STAMP = ".predicted", ".p.", "stamp"
RUN_AGAIN = "ercfw run --force makes it again"


@dataclass(frozen=True)
class TargetPredictions:
    """Predictions of one target.

    Attributes:
        ids: (conversation, utterance) of each utterance, unlabelled ones too.
        labels: ``[N]`` class numbers; -100 = unlabelled.
        predicted: ``[N]`` class numbers.
        probabilities: ``[N, C]``.
        classes: C class names.
    """

    ids: tuple[UtteranceId, ...]
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probabilities: Array
    classes: tuple[str, ...]

    @cached_property
    def counts(self) -> Array:
        """Return the confusion counts of each conversation that has a label, ``[K, C, C]``."""
        real = self.labels != UNLABELLED
        conversations = [conversation for (conversation, _), known in zip(self.ids, real, strict=True) if known]
        return count(conversations, self.labels[real], self.predicted[real], len(self.classes))

    def is_of_same(self, other: "TargetPredictions") -> bool:
        """Return whether both cover the same utterances with the same labels, in the same order."""
        return (self.ids, self.classes) == (other.ids, other.classes) and np.array_equal(self.labels, other.labels)


@dataclass(frozen=True)
class PredictionTable:
    """Predictions of utterances, one row per utterance.

    Attributes:
        about: N cells of each column that describes the utterances: ``conversation``, ``utterance``, ``speaker``,
            ``text``, and for runs ``split``, ``kind``, ``new_speaker`` and ``lacks``.
        targets: the predictions of each target.
        labelled: the targets that have a column of labels, even if every cell is empty.
        stamps: words such as SIMULATED, in a column of their own.
    """

    about: Mapping[str, tuple[str, ...]]
    targets: Mapping[str, TargetPredictions]
    labelled: frozenset[str] = frozenset()
    stamps: tuple[str, ...] = ()

    def __len__(self) -> int:
        """Return the number of utterances."""
        return len(self.about["utterance"])

    @property
    def ids(self) -> tuple[UtteranceId, ...]:
        """Return the (conversation, utterance) of each row."""
        return tuple(zip(self.about["conversation"], self.about["utterance"], strict=True))

    @property
    def splits(self) -> list[str]:
        """Return the splits of the utterances, test first."""
        return sorted(dict.fromkeys(self.about.get("split", ())), key=lambda split: split != "test")

    def of_split(self, split: str) -> "PredictionTable":
        """Return the rows of a split."""
        return self.take([row for row, name in enumerate(self.about.get("split", ())) if name == split])

    def take(self, rows: Sequence[int]) -> "PredictionTable":
        """Return the table of these rows, in this order."""
        kept = np.asarray(rows, np.int64)
        return PredictionTable(
            {name: tuple(cells[row] for row in rows) for name, cells in self.about.items()},
            {
                name: TargetPredictions(
                    tuple(of.ids[row] for row in rows),
                    of.labels[kept],
                    of.predicted[kept],
                    of.probabilities[kept],
                    of.classes,
                )
                for name, of in self.targets.items()
            },
            self.labelled,
            self.stamps,
        )

    def rows(self) -> list[dict[str, str]]:
        """Return the description of each utterance, by column."""
        return [dict(zip(self.about, cells, strict=True)) for cells in zip(*self.about.values(), strict=True)]


def join(tables: Sequence[PredictionTable]) -> PredictionTable:
    """Return the rows of all tables in one; the columns and targets are those that all have.

    Raises:
        ValueError: tables have different classes, or an utterance is in two of them.
    """
    first = tables[0]
    about = [name for name in first.about if all(name in table.about for table in tables)]
    targets = [name for name in first.targets if all(name in table.targets for table in tables)]
    return PredictionTable(
        {name: tuple(cell for table in tables for cell in table.about[name]) for name in about},
        {name: _join([table.targets[name] for table in tables]) for name in targets},
        frozenset.intersection(*(table.labelled for table in tables)),
        tuple(dict.fromkeys(stamp for table in tables for stamp in table.stamps)),
    )


def _join(parts: Sequence[TargetPredictions]) -> TargetPredictions:
    ids = tuple(id for part in parts for id in part.ids)
    if len(set(ids)) < len(ids):
        raise ValueError("an utterance is in two tables")
    if len({part.classes for part in parts}) > 1:
        raise ValueError("the tables have different classes")
    return TargetPredictions(
        ids,
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.predicted for part in parts]),
        np.concatenate([part.probabilities for part in parts]),
        parts[0].classes,
    )


def write_predictions(path: Path, table: PredictionTable) -> None:
    """Write a table as a CSV file; see ``write_csv``.

    Raises:
        RunError: the file cannot be written.
    """
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        write_csv(file, table)


def write_csv(file: TextIO, table: PredictionTable, line_end: str = "\r\n") -> None:
    """Write a header and one row per utterance.

    The columns of a target are ``emotion``, ``emotion.predicted``, ``emotion.p.joy`` and so on, with probabilities of
    six decimal places. The label of an unlabelled utterance is empty; a target that is not in ``labelled`` has no
    column of labels.
    """
    columns = dict(table.about)
    for name, of in table.targets.items():
        named = np.array([*of.classes, ""], dtype=object)  # [C + 1]; the last is the name of no class
        if name in table.labelled:
            columns[name] = tuple(named[np.where(of.labels == UNLABELLED, -1, of.labels)])
        columns[name + PREDICTED] = tuple(named[of.predicted])
        for number, class_name in enumerate(of.classes):
            columns[name + PROBABILITY + class_name] = tuple(f"{p:.{DIGITS}f}" for p in of.probabilities[:, number])
    if table.stamps:
        columns[STAMP] = (", ".join(table.stamps),) * len(table)
    writer = csv.writer(file, lineterminator=line_end)
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))


def read_predictions(path: Path) -> PredictionTable:
    """Read the ``predictions.csv`` of a run or an ensemble.

    Raises:
        InputError: the file cannot be read, or is not a table of predictions.
    """
    try:
        check_regular(path)
        with path.open(newline="", encoding="utf-8") as file:
            header, *rows = [row for row in csv.reader(file) if row] or [[]]
    except (OSError, ValueError, csv.Error) as error:
        raise InputError.at(path, f"cannot be read: {error}", RUN_AGAIN) from error
    if not rows or not {"split", *KEYS} <= set(header) or any(len(row) != len(header) for row in rows):
        raise InputError.at(path, "is not a table of predictions", RUN_AGAIN)
    columns = dict(zip(header, zip(*rows, strict=True), strict=True))
    targets = [name.removesuffix(PREDICTED) for name in header if name.endswith(PREDICTED)]
    of_targets = {name for target in targets for name in _columns_of(target, header)}
    about = {name: cells for name, cells in columns.items() if name not in {*of_targets, STAMP}}
    ids = tuple(zip(columns["conversation"], columns["utterance"], strict=True))
    try:
        found = {target: _read_target(target, ids, columns) for target in targets}
    except (KeyError, TypeError, ValueError) as error:
        raise InputError.at(path, f"is not a table of predictions: {error!r}", RUN_AGAIN) from error
    stamps = tuple(columns[STAMP][0].split(", ")) if STAMP in columns else ()
    return PredictionTable(about, found, frozenset(targets), stamps)


def _columns_of(target: str, header: Iterable[str]) -> list[str]:
    before = target + PROBABILITY
    return [target, target + PREDICTED, *(name for name in header if name.startswith(before))]


def _read_target(
    target: str, ids: tuple[UtteranceId, ...], columns: Mapping[str, tuple[str, ...]]
) -> TargetPredictions:
    _, predicted, *probabilities = _columns_of(target, columns)
    classes = tuple(name.removeprefix(target + PROBABILITY) for name in probabilities)
    numbers = {name: number for number, name in enumerate(classes)}
    of_label = numbers | {"": UNLABELLED}
    values = np.array([columns[name] for name in probabilities], dtype=np.float64).T  # [N, C]
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"a probability of {target} is not between 0 and 1")
    return TargetPredictions(
        ids,
        np.array([of_label[name] for name in columns[target]], dtype=np.int64),
        np.array([numbers[name] for name in columns[predicted]], dtype=np.int64),
        values,
        classes,
    )
