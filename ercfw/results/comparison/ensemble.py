"""Ensembles: averaged probabilities or numbers of several runs, with weights that are equal or fitted on dev."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ercfw.contract.metric import Scale
from ercfw.contract.targets import decided
from ercfw.errors import InputError
from ercfw.registry.catalog import Catalog
from ercfw.results.comparison.confusion_counts import Array
from ercfw.results.comparison.ensemble_weights import fit_weights
from ercfw.results.finished_run import FinishedRun
from ercfw.results.points import points
from ercfw.results.prediction_table import PredictionTable, join
from ercfw.results.run_metrics import RunMetrics
from ercfw.results.score_table import metrics_of_run, score_table, spec_of
from ercfw.results.scoring import Scores
from ercfw.results.target_predictions import TargetPredictions

SPLITS = ("dev", "test")
NOTE = "the members' weights were fitted on dev's labels, so the score of dev is too good"


@dataclass(frozen=True)
class Ensemble:
    """Combined predictions of several runs.

    Attributes:
        weights: by target, one weight per run; they add up to 1.
        answers: the predictions, by split and target.
        scores: the scores, in the form of ``metrics.json``.
    """

    weights: Mapping[str, Array]
    answers: Mapping[str, Mapping[str, TargetPredictions]]
    scores: Mapping[str, Mapping[str, Scores]]


def combine(runs: Sequence[FinishedRun], targets: Sequence[str], catalog: Catalog, fitted: bool) -> Ensemble:
    """Return the averaged probabilities or numbers of the runs and their scores.

    Args:
        runs: the runs, scored on the same utterances.
        targets: the targets to predict.
        catalog: provides the metrics.
        fitted: whether the weights are fitted on the labels of dev; otherwise they are equal.

    Raises:
        InputError: the runs predicted different utterances, or the weights should be fitted but dev has no labels.
    """
    metrics = metrics_of_run(runs[0], catalog)
    weights: dict[str, Array] = {}
    answers: dict[str, dict[str, TargetPredictions]] = {split: {} for split in SPLITS}
    scores: dict[str, dict[str, Scores]] = {split: {} for split in SPLITS}
    for target in targets:
        weights[target] = np.full(len(runs), 1 / len(runs))
        for split in SPLITS:
            of_runs = _same(runs, split, target)
            first = of_runs[0]
            stacked = np.stack([each.values for each in of_runs])  # [M, N, C]
            real = first.labelled
            if split == "dev" and fitted:
                if not real.any():
                    raise InputError.at(
                        runs[0].folder, f"has no labels of '{target}' in dev to fit weights on", "use --equal"
                    )
                weights[target] = fit_weights(first.kind, stacked[:, real], first.labels[real])
            if not len(first.ids):
                continue
            mixed = np.einsum("m,mnc->nc", weights[target], stacked)  # [N, C]
            found = answers[split][target] = replace(first, values=mixed, predicted=decided(first.kind, mixed))
            if real.any():
                table, spec = runs[0].of_split(split), spec_of(runs[0], target, first)
                scores[split][target] = score_table(target, table, found, metrics, spec)
    return Ensemble(weights, answers, {split: found for split, found in scores.items() if found})


def _same(runs: Sequence[FinishedRun], split: str, target: str) -> list[TargetPredictions]:
    found = [run.answers(split, target) for run in runs]
    for run, each in zip(runs, found, strict=True):
        if not each.is_of_same(found[0]):
            what = f"was scored on other utterances, labels or classes of {split} than {runs[0].folder}"
            raise InputError.at(run.folder, what, "combine runs of the same data")
    return found


def ensemble_table(first: FinishedRun, ensemble: Ensemble, stamps: Sequence[str]) -> PredictionTable:
    """Return the combined predictions as a table; the utterances are described as by the first member."""
    tables = [
        replace(first.of_split(split), targets=answers, labelled=frozenset(answers), stamps=tuple(stamps))
        for split, answers in ensemble.answers.items()
        if answers
    ]
    return join(tables)


def ensemble_metrics(runs: Sequence[FinishedRun], ensemble: Ensemble, folder: Path, fitted: bool) -> RunMetrics:
    """Return the content of an ensemble's ``metrics.json``, with members and weights; costs are summed."""
    first = runs[0].metrics
    members = [str(run.folder) for run in runs]
    metrics = RunMetrics(
        recipe=first.recipe,
        title=first.title,
        dataset=first.dataset,
        variant=f"ensemble of {len(runs)}",
        seed=0,
        protocol=first.protocol,
        select=first.select,
        chosen_on=first.chosen_on,
        scores={split: dict(of_split) for split, of_split in ensemble.scores.items()},
        stamps=list(dict.fromkeys(stamp for run in runs for stamp in run.metrics.stamps)),
        notes=[NOTE] if fitted else [],
        data=first.data,
        sizes=first.sizes,
        members=members,
        weights={t: dict(zip(members, w.tolist(), strict=True)) for t, w in ensemble.weights.items()},
        parameters=sum(run.metrics.parameters for run in runs),
        seconds=round(sum(run.metrics.seconds for run in runs), 2),
        peak_memory=max(run.metrics.peak_memory for run in runs),
        folder=str(folder),
    )
    return metrics.with_frozen(sum(run.metrics.frozen for run in runs)).with_scales(first.scales)


def member_rows(runs: Sequence[FinishedRun], ensemble: Ensemble, select: str) -> list[dict[str, str]]:
    """Return one row per member and one for the ensemble: the selected score of each split, and the weight."""
    target, _, metric = select.partition(".")
    target = target if target in ensemble.weights else next(iter(ensemble.weights))
    scale = runs[0].metrics.scale(metric)
    rows = [
        (str(run.folder), run.metrics.scores, weight)
        for run, weight in zip(runs, ensemble.weights[target], strict=True)
    ]
    return [
        {
            "": name,
            **{f"{metric}, {split}": _shown(scores, split, target, metric, scale) for split in SPLITS},
            "weight": f"{w:.3f}",
        }
        for name, scores, w in [*rows, ("together", ensemble.scores, 1.0)]
    ]


def _shown(scores: Mapping[str, Any], split: str, target: str, metric: str, scale: Scale) -> str:
    value = scores.get(split, {}).get(target, {}).get(metric)
    return points(value if isinstance(value, float) else None, scale=scale)
