"""Writing of an ensemble of finished runs as a run's folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ercfw.errors import InputError
from ercfw.registry.catalog import load_catalog
from ercfw.results.comparison.comparability import check_comparable, targets_of
from ercfw.results.comparison.ensemble import combine, ensemble_metrics, ensemble_table, member_rows
from ercfw.results.finished_run import FinishedRun, Group
from ercfw.results.json_file import write_json
from ercfw.results.prediction_csv import write_predictions
from ercfw.results.run_files import RunFiles
from ercfw.results.run_metrics import RunMetrics


@dataclass(frozen=True)
class WrittenEnsemble:
    """Content of an ensemble's folder.

    Attributes:
        metrics: its ``metrics.json``.
        rows: one row per member and one for the ensemble, with scores and weights.
    """

    metrics: RunMetrics
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
        raise InputError.at(members[0].folder, "is a single run", "an ensemble needs at least two")
    apart = [Group(str(run.folder), (run,)) for run in members]
    targets = targets_of(apart, "test")
    for target in targets:
        check_comparable(apart, "test", target)
    together = combine(members, targets, load_catalog(), fitted=fitted)
    metrics = ensemble_metrics(members, together, out, fitted=fitted)
    files = RunFiles(out)
    write_predictions(files.predictions, ensemble_table(members[0], together, metrics.stamps))
    write_json(files.metrics, metrics.as_json())
    return WrittenEnsemble(metrics, member_rows(members, together, metrics.select))
