"""Feature files that a corpus already has: keep them, complete them with the splits that they lack, or refuse."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ercfw.contract.feature_table import FeatureTable
from ercfw.errors import InputError
from ercfw.system.files import is_there

CHANGING = ("files", "labels")
"""Entries of the provenance in which two imports of the same stream may differ."""


def check_other_kinds(path: Path) -> None:
    """Check that the modality of a feature store has no file of another kind.

    Raises:
        InputError: there is such a file.
    """
    others = [path.with_suffix(suffix) for suffix in (".npy", ".npz") if is_there(path.with_suffix(suffix))]
    if others:
        hint = "move it away: a modality has only one file"
        raise InputError.at(others[0], f"already holds '{path.stem}'", hint)


def with_existing_rows(path: Path, store: FeatureTable) -> FeatureTable:
    """Return a store together with the rows of the file at ``path``, so that splits can be imported one after another.

    Raises:
        InputError: there is a file with other values, or one that cannot be read.
    """
    if not is_there(path):
        return store
    joined = _joined(path, store)
    if joined is None:
        raise InputError.at(path, "already exists, with other values", "overwrite it with --replace")
    return joined


def _joined(path: Path, store: FeatureTable) -> FeatureTable | None:
    """Return the rows of both, or the table of the file if it has all of them; None if they do not fit together."""
    try:
        there = FeatureTable.load(path)
    except InputError:
        return None
    if there.ids != store.ids or _width(there) != _width(store) or not _are_equal_where_both(there, store):
        return None
    if not (store.present & ~there.present).any():
        return there
    if not (there.present & ~store.present).any():
        return store
    if _made(there) != _made(store) or there.fitted_on != store.fitted_on or there.values.dtype != store.values.dtype:
        return None
    values, lengths = _values_of_both(there, store)
    present = there.present | store.present  # [R]
    return replace(store, values=values, lengths=lengths, present=present, provenance=_both_origins(there, store))


def _width(table: FeatureTable) -> tuple[bool, tuple[int, ...]]:
    """Return whether a table holds several frames or tokens per row, and the shape of one of them."""
    return table.lengths is not None, table.values.shape[1:]


def _are_equal_where_both(there: FeatureTable, store: FeatureTable) -> bool:
    """Return whether the rows that both tables have are equal."""
    both = there.present & store.present  # [R]
    if there.lengths is None or store.lengths is None:
        return np.array_equal(there.values[both], store.values[both])
    same = np.array_equal(there.lengths[both], store.lengths[both])
    frames = [_chosen(table.values, np.repeat(both, lengths))
              for table, lengths in ((there, there.lengths), (store, store.lengths))]  # fmt: skip
    return same and np.array_equal(frames[0], frames[1])


def _chosen(values: NDArray[Any], is_chosen: NDArray[np.bool_]) -> NDArray[Any]:
    """Return some of the values, without a copy if these are all."""
    return values if is_chosen.all() else values[is_chosen]


def _values_of_both(there: FeatureTable, store: FeatureTable) -> tuple[NDArray[Any], NDArray[np.int64] | None]:
    """Return the values of the rows of both tables, and the lengths of frames: those of ``store`` where it has any."""
    if there.lengths is None or store.lengths is None:
        return np.where(store.present[:, None], store.values, there.values), None
    older = np.split(there.values, np.cumsum(there.lengths)[:-1])  # R arrays [T, D]
    newer = np.split(store.values, np.cumsum(store.lengths)[:-1])  # R arrays [T, D]
    rows = [new if is_new else old for old, new, is_new in zip(older, newer, store.present, strict=True)]
    return np.concatenate(rows), np.where(store.present, store.lengths, there.lengths)


def _made(table: FeatureTable) -> dict[str, object]:
    return {key: value for key, value in table.provenance.items() if key not in CHANGING}


def _both_origins(there: FeatureTable, store: FeatureTable) -> dict[str, object]:
    """Return the provenance of the rows of two imports; the labels agree only if those of both do."""
    labels = list(dict.fromkeys(str(table.provenance.get("labels", "")) for table in (there, store)))
    agree = all(label.endswith("agree") for label in labels)
    files = {**there.provenance.get("files", {}), **store.provenance.get("files", {})}
    return {**store.provenance, "files": files, "labels": "; ".join(labels) if agree else "not compared"}
