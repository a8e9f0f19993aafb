"""The CSV form of a prediction table.

The columns of a target of classes are ``emotion``, ``emotion.predicted``, ``emotion.p.joy`` and so on; with shares of
annotators also ``emotion.share.joy``. Those of labels are ``moods.joy``, ``moods.joy.predicted`` (1 or 0) and
``moods.p.joy``. Those of numbers are ``affect.valence`` and ``affect.valence.predicted``; of a single number,
``sentiment`` and ``sentiment.predicted``.
"""

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from ercfw.contract.conversation import UNLABELLED, UtteranceId
from ercfw.errors import InputError
from ercfw.results.prediction_table import KEYS, PredictionTable
from ercfw.results.target_predictions import TargetPredictions
from ercfw.system.files import check_regular, replacing

DIGITS = 6
"""Decimal places of a probability."""
PREDICTED, PROBABILITY, SHARE, STAMP = ".predicted", ".p.", ".share.", "stamp"
RUN_AGAIN = "ercfw run --force makes it again"
Columns = dict[str, tuple[str, ...]]


def write_predictions(path: Path, table: PredictionTable) -> None:
    """Write a table as a CSV file; see ``write_csv``.

    Raises:
        RunError: the file cannot be written.
    """
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        write_csv(file, table)


def write_csv(file: TextIO, table: PredictionTable, line_end: str = "\r\n") -> None:
    """Write a header and one row per utterance.

    Probabilities have six decimal places, numbers as many digits as float32 needs. The label of an unlabelled utterance
    is empty; a target that is not in ``labelled`` has no columns of labels.
    """
    columns = dict(table.about)
    for name, of in table.targets.items():
        columns |= COLUMNS_OF[of.kind](name, of, name in table.labelled)
    if table.stamps:
        columns[STAMP] = (", ".join(table.stamps),) * len(table)
    writer = csv.writer(file, lineterminator=line_end)
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))


def _class_columns(target: str, of: TargetPredictions, with_labels: bool) -> Columns:
    named = np.array([*of.classes, ""], dtype=object)  # [C + 1]; the last is the name of no class
    columns: Columns = {}
    if with_labels:
        columns[target] = tuple(named[np.where(of.labels == UNLABELLED, -1, of.labels)])
    columns[target + PREDICTED] = tuple(named[of.predicted])
    if with_labels and of.shares is not None:
        columns |= {target + SHARE + name: _numbers(of.shares[:, place]) for place, name in enumerate(of.classes)}
    return columns | _probability_columns(target, of)


def _label_columns(target: str, of: TargetPredictions, with_labels: bool) -> Columns:
    labels = np.where(of.labelled[:, None], of.labels, np.nan) if of.shares is None else of.shares  # [N, C]
    columns: Columns = {}
    for place, name in enumerate(of.classes):
        if with_labels:
            columns[f"{target}.{name}"] = _numbers(labels[:, place])
        columns[f"{target}.{name}{PREDICTED}"] = tuple(map(str, of.predicted[:, place].tolist()))
    return columns | _probability_columns(target, of)


def _number_columns(target: str, of: TargetPredictions, with_labels: bool) -> Columns:
    columns: Columns = {}
    for place, name in enumerate(_of_numbers(target, of.classes)):
        if with_labels:
            columns[name] = _numbers(of.labels[:, place])
        columns[name + PREDICTED] = _numbers(of.values[:, place])
    return columns


COLUMNS_OF = {"classes": _class_columns, "multilabel": _label_columns, "regression": _number_columns}


def _of_numbers(target: str, names: Sequence[str]) -> list[str]:
    """Return the name of the column of each number."""
    return [target] if len(names) == 1 else [f"{target}.{name}" for name in names]


def _probability_columns(target: str, of: TargetPredictions) -> Columns:
    return {
        target + PROBABILITY + name: tuple(f"{p:.{DIGITS}f}" for p in of.values[:, place])
        for place, name in enumerate(of.classes)
    }


def _numbers(values: NDArray[Any]) -> tuple[str, ...]:
    """Return numbers in the fewest digits that give the same float32; an empty cell for NaN."""
    return tuple("" if np.isnan(x) else f"{x:g}" if x == round(x) else str(x) for x in values.astype(np.float32))


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
    targets = _targets_in(header)
    of_targets = {name for names in targets.values() for name in names}
    about = {name: cells for name, cells in columns.items() if name not in {*of_targets, STAMP}}
    ids = tuple(zip(columns["conversation"], columns["utterance"], strict=True))
    try:
        found = {target: _read_target(target, ids, {n: columns[n] for n in names}) for target, names in targets.items()}
    except (KeyError, TypeError, ValueError) as error:
        raise InputError.at(path, f"is not a table of predictions: {error!r}", RUN_AGAIN) from error
    stamps = tuple(columns[STAMP][0].split(", ")) if STAMP in columns else ()
    return PredictionTable(about, found, frozenset(targets), stamps)


def _targets_in(header: Sequence[str]) -> dict[str, list[str]]:
    """Return the targets, whose names have no dot, each with its columns."""
    names = dict.fromkeys(
        name.partition(".")[0] for name in header if name.endswith(PREDICTED) and PROBABILITY not in name
    )
    return {target: [n for n in header if n == target or n.startswith(f"{target}.")] for target in names}


def _read_target(
    target: str, ids: tuple[UtteranceId, ...], columns: Mapping[str, tuple[str, ...]]
) -> TargetPredictions:
    has_probabilities = any(name.startswith(target + PROBABILITY) for name in columns)
    if not has_probabilities:
        return _read_numbers(target, ids, columns)
    classes = tuple(_names_after(target + PROBABILITY, columns))
    values = _array(columns, [target + PROBABILITY + name for name in classes])  # [N, C]
    if not ((values >= 0) & (values <= 1)).all():
        raise ValueError(f"a probability of {target} is not between 0 and 1")
    if target + PREDICTED not in columns:
        return _read_labels(target, ids, columns, classes, values)
    numbers = {name: number for number, name in enumerate(classes)}
    of_label = numbers | {"": UNLABELLED}
    labels = np.array([of_label[name] for name in columns[target]], dtype=np.int64)
    predicted = np.array([numbers[name] for name in columns[target + PREDICTED]], dtype=np.int64)
    shared = target + SHARE + classes[0] in columns
    shares = _array(columns, [target + SHARE + name for name in classes]) if shared else None
    return TargetPredictions(ids, labels, predicted, values, classes, shares=shares)


def _read_labels(
    target: str,
    ids: tuple[UtteranceId, ...],
    columns: Mapping[str, tuple[str, ...]],
    classes: tuple[str, ...],
    values: NDArray[np.float64],
) -> TargetPredictions:
    labels = _array(columns, [f"{target}.{name}" for name in classes])  # [N, C]
    predicted = _array(columns, [f"{target}.{name}{PREDICTED}" for name in classes])
    known = labels[~np.isnan(labels)]
    if not (np.isin(predicted, (0, 1)).all() and ((known >= 0) & (known <= 1)).all()):
        raise ValueError(f"a label of {target} is not between 0 and 1")
    is_hard = np.isin(known, (0, 1)).all()
    of = TargetPredictions.of(ids, labels, values, classes, "multilabel")
    return TargetPredictions(
        ids, of.labels, predicted.astype(np.int64), values, classes, "multilabel", None if is_hard else of.shares
    )


def _read_numbers(
    target: str, ids: tuple[UtteranceId, ...], columns: Mapping[str, tuple[str, ...]]
) -> TargetPredictions:
    predicted = [name.removesuffix(PREDICTED) for name in columns if name.endswith(PREDICTED)]
    names = tuple(name.removeprefix(f"{target}.") for name in predicted)
    places = _of_numbers(target, names)
    values = _array(columns, [place + PREDICTED for place in places])
    if not np.isfinite(values).all():
        raise ValueError(f"a number of {target} is not finite")
    labels = _array(columns, places)
    return TargetPredictions(ids, labels, values, values, names, "regression")


def _names_after(before: str, columns: Mapping[str, tuple[str, ...]]) -> list[str]:
    return [name.removeprefix(before) for name in columns if name.startswith(before)]


def _array(columns: Mapping[str, tuple[str, ...]], names: Sequence[str]) -> NDArray[np.float64]:
    """Return columns of numbers, ``[N, C]``; an empty cell is NaN."""
    cells = [[cell or "nan" for cell in columns[name]] for name in names]
    return np.array(cells, dtype=np.float64).T
