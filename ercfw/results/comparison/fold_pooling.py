"""Pooled runs of all folds: each conversation is predicted by the run that had it in test."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ercfw.contract.conversation import UNLABELLED
from ercfw.errors import InputError
from ercfw.registry.catalog import Catalog
from ercfw.results.finished_run import Answers, FinishedRun
from ercfw.results.scoring import measure


@dataclass(frozen=True)
class PooledRun(FinishedRun):
    """Runs of all folds, scored on their joint predictions rather than by averaging the folds' scores.

    Attributes:
        parts: the run of each fold, in order.
    """

    parts: tuple[FinishedRun, ...] = ()

    def rows(self, split: str) -> list[dict[str, str]]:
        """Return the rows of a split from all folds."""
        return [row for part in self.parts for row in part.rows(split)]

    def answers(self, split: str, target: str) -> Answers:
        """Return the predictions of each fold for its own split, joined.

        Raises:
            InputError: the folds have different classes, or two folds predicted the same utterance.
        """
        found = [part.answers(split, target) for part in self.parts]
        ids = tuple(id for each in found for id in each.ids)
        if len(set(ids)) < len(ids) or len({each.classes for each in found}) > 1:
            raise InputError.at(self.folder, f"holds folds that share utterances of {split}, or have other classes")
        return Answers(
            ids,
            np.concatenate([each.labels for each in found]),
            np.concatenate([each.predicted for each in found]),
            np.concatenate([each.probabilities for each in found]),
            found[0].classes,
        )


def pool(parts: Sequence[FinishedRun], catalog: Catalog) -> PooledRun:
    """Pool the folds of one variant and seed into one run, scored by the catalog's metrics.

    Raises:
        InputError: the folds do not belong together.
    """
    first = parts[0]
    metrics = {component.name: component.factory for component in catalog.components("metric")}
    unscored = PooledRun(first.folder, first.metrics, tuple(parts))
    scores: dict[str, dict[str, Any]] = {}
    for split, targets in first.metrics["scores"].items():
        for target in targets:
            answers = unscored.answers(split, target)
            real = answers.labels != UNLABELLED
            true, probabilities = answers.labels[real], answers.probabilities[real].astype(np.float32)
            found = measure(true, probabilities, metrics, answers.classes)
            scores.setdefault(split, {})[target] = found
    return PooledRun(first.folder, {**first.metrics, **_costs(parts), "scores": scores}, tuple(parts))


def _costs(parts: Sequence[FinishedRun]) -> Mapping[str, Any]:
    told = [part.metrics for part in parts]
    stamps = dict.fromkeys(stamp for each in told for stamp in each["stamps"])
    return {
        "seconds": sum(each["seconds"] for each in told),
        "peak_memory": max(each["peak_memory"] for each in told),
        "stamps": list(stamps),
    }
