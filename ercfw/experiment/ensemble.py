"""An ensemble of finished runs, written as a run's folder."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ercfw.errors import InputError
from ercfw.registry.catalog import load_catalog
from ercfw.results.comparison.comparability import check_comparable, targets_of
from ercfw.results.comparison.ensemble import combine, ensemble_metrics, ensemble_table, member_rows
from ercfw.results.finished_run import FinishedRun, Group
from ercfw.results.prediction_table import write_predictions
from ercfw.system.files import write_text


@dataclass(frozen=True)
class WrittenEnsemble:
    """What an ensemble's folder holds.

    Attributes:
        metrics: its ``metrics.json``.
        rows: one row per member and one for the ensemble, with scores and weights.
    """

    metrics: Mapping[str, Any]
    rows: Sequence[dict[str, str]]


def write_ensemble(members: Sequence[FinishedRun], out: Path, fitted: bool) -> WrittenEnsemble:
    """Average the probabilities of finished runs, score them, and write the ensemble's folder.

    Args:
        members: at least two runs that were scored on the same utterances.
        out: the folder.
        fitted: whether the weights are fitted on dev; else they are equal.

    Raises:
        InputError: there are too few runs, or they cannot be combined.
        RunError: a file cannot be written.
    """
    if len(members) < 2:
        raise InputError.at(members[0].folder, "is one run", "several make an ensemble")
    apart = [Group(str(run.folder), (run,)) for run in members]
    targets = targets_of(apart, "test")
    for target in targets:
        check_comparable(apart, "test", target)
    together = combine(members, targets, load_catalog(), fitted=fitted)
    metrics = ensemble_metrics(members, together, out, fitted=fitted)
    write_predictions(out / "predictions.csv", ensemble_table(members[0], together, metrics["stamps"]))
    write_text(out / "metrics.json", json.dumps(metrics, indent=2, ensure_ascii=False) + "\n")
    return WrittenEnsemble(metrics, member_rows(members, together, metrics["select"]))
