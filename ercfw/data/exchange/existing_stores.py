"""Feature files that a corpus already has: keep them, complete them with the splits that they lack, or refuse."""

from dataclasses import replace
from pathlib import Path

import numpy as np

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
    if there.ids != store.ids or there.values.shape != store.values.shape or there.lengths is not None:
        return None
    both = there.present & store.present  # [R]
    if not np.array_equal(there.values[both], store.values[both]):
        return None
    if not (store.present & ~there.present).any():
        return there
    if not (there.present & ~store.present).any():
        return store
    if _made(there) != _made(store) or there.fitted_on != store.fitted_on or there.values.dtype != store.values.dtype:
        return None
    values = np.where(store.present[:, None], store.values, there.values)  # [R, D]
    return replace(store, values=values, present=there.present | store.present, provenance=_both_origins(there, store))


def _made(table: FeatureTable) -> dict[str, object]:
    return {key: value for key, value in table.provenance.items() if key not in CHANGING}


def _both_origins(there: FeatureTable, store: FeatureTable) -> dict[str, object]:
    """Return the provenance of the rows of two imports; the labels agree only if those of both do."""
    labels = list(dict.fromkeys(str(table.provenance.get("labels", "")) for table in (there, store)))
    agree = all(label.endswith("agree") for label in labels)
    files = {**there.provenance.get("files", {}), **store.provenance.get("files", {})}
    return {**store.provenance, "files": files, "labels": "; ".join(labels) if agree else "not compared"}
