"""Pooled runs of all folds: each conversation is predicted by the run that had it in test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ercfw.errors import InputError
from ercfw.registry.catalog import Catalog
from ercfw.results.finished_run import FinishedRun
from ercfw.results.prediction_table import PredictionTable, join
from ercfw.results.score_table import metrics_of_run, score_table, spec_of


@dataclass(frozen=True)
class PooledRun(FinishedRun):
    """Runs of all folds, scored on their joint predictions rather than by averaging the folds' scores.

    Attributes:
        parts: the run of each fold, in order.
    """

    parts: tuple[FinishedRun, ...] = ()

    def of_split(self, split: str) -> PredictionTable:
        """Return the predictions of each fold for its own split, joined.

        Raises:
            InputError: the folds have different classes, or two folds predicted the same utterance.
        """
        try:
            return join([part.of_split(split) for part in self.parts])
        except ValueError as error:
            raise InputError.at(self.folder, f"its folds cannot be joined in {split}: {error}") from error


def pool(parts: Sequence[FinishedRun], catalog: Catalog) -> PooledRun:
    """Pool the folds of one variant and seed into one run, scored by the catalog's metrics.

    Raises:
        InputError: the folds do not belong together.
    """
    first = parts[0]
    metrics = metrics_of_run(first, catalog)
    unscored = PooledRun(first.folder, first.metrics, tuple(parts))
    scores: dict[str, dict[str, Any]] = {}
    for split, targets in first.metrics.scores.items():
        for target in targets:
            answers = unscored.answers(split, target)
            table = unscored.of_split(split)
            spec = spec_of(first, target, answers)
            scores.setdefault(split, {})[target] = score_table(target, table, answers, metrics, spec)
    return PooledRun(first.folder, first.metrics.model_copy(update={**_costs(parts), "scores": scores}), tuple(parts))


def _costs(parts: Sequence[FinishedRun]) -> Mapping[str, Any]:
    metrics = [part.metrics for part in parts]
    stamps = dict.fromkeys(stamp for each in metrics for stamp in each.stamps)
    return {
        "seconds": sum(each.seconds for each in metrics),
        "peak_memory": max(each.peak_memory for each in metrics),
        "stamps": list(stamps),
    }
