"""Ensembles: averaged probabilities of several runs, with weights that are equal or fitted on dev."""

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from ercfw.contract.conversation import UNLABELLED
from ercfw.errors import InputError
from ercfw.registry.catalog import Catalog
from ercfw.results.comparison.confusion_counts import Array
from ercfw.results.finished_run import Answers, FinishedRun
from ercfw.results.scoring import measure
from ercfw.system.files import replacing

STEPS, ENOUGH = 10_000, 1e-9
SPLITS = ("dev", "test")
SHARED = ("recipe", "title", "dataset", "protocol", "select", "chosen_on", "data", "sizes")
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
    answers: Mapping[str, Mapping[str, Answers]]
    scores: Mapping[str, Mapping[str, Mapping[str, Any]]]


def fit_weights(probabilities: Array, labels: Array) -> Array:
    """Return the mixture weights that maximise the likelihood of the labels, by expectation maximisation.

    ``[M, N, C]`` probabilities and ``[N]`` labels -> ``[M]``. The log-likelihood is concave in the weights, so every
    maximum is global, and no step decreases it.
    """
    said = probabilities[:, np.arange(len(labels)), labels]  # [M, N]
    said = np.maximum(said, np.finfo(float).tiny)
    weights: Array = np.full(len(said), 1 / len(said))  # [M]
    for _ in range(STEPS):
        shares = weights[:, None] * said  # [M, N]
        better = (shares / shares.sum(0)).mean(1)  # [M]
        if np.abs(better - weights).max() < ENOUGH:
            break
        weights = better
    return weights


def combine(runs: Sequence[FinishedRun], targets: Sequence[str], catalog: Catalog, fitted: bool) -> Ensemble:
    """Return the averaged probabilities of the runs and their scores.

    Args:
        runs: the runs, scored on the same utterances.
        targets: the targets to predict.
        catalog: provides the metrics.
        fitted: whether the weights are fitted on the labels of dev; otherwise they are equal.

    Raises:
        InputError: the runs predicted different utterances, or the weights should be fitted but dev has no labels.
    """
    metrics = {component.name: component.factory for component in catalog.components("metric")}
    weights: dict[str, Array] = {}
    answers: dict[str, dict[str, Answers]] = {split: {} for split in SPLITS}
    scores: dict[str, dict[str, dict[str, Any]]] = {split: {} for split in SPLITS}
    for target in targets:
        weights[target] = np.full(len(runs), 1 / len(runs))
        for split in SPLITS:
            of_runs = _same(runs, split, target)
            first = of_runs[0]
            said = np.stack([each.probabilities for each in of_runs])  # [M, N, C]
            real = first.labels != UNLABELLED
            if split == "dev" and fitted:
                if not real.any():
                    raise InputError.at(
                        runs[0].folder, f"has no labels of '{target}' in dev to fit weights on", "--equal"
                    )
                weights[target] = fit_weights(said[:, real], first.labels[real])
            if not len(first.ids):
                continue
            mixed = np.einsum("m,mnc->nc", weights[target], said)  # [N, C]
            answers[split][target] = replace(first, probabilities=mixed, predicted=mixed.argmax(-1))
            if real.any():
                scores[split][target] = measure(
                    first.labels[real], mixed[real].astype(np.float32), metrics, first.classes
                )
    return Ensemble(weights, answers, {split: found for split, found in scores.items() if found})


def _same(runs: Sequence[FinishedRun], split: str, target: str) -> list[Answers]:
    found = [run.answers(split, target) for run in runs]
    for run, each in zip(runs, found, strict=True):
        if not each.is_of_same(found[0]):
            what = f"was scored on other utterances, labels or classes of {split} than {runs[0].folder}"
            raise InputError.at(run.folder, what, "runs of the same data")
    return found


def write_ensemble_predictions(path: Path, first: FinishedRun, ensemble: Ensemble, stamps: Sequence[str]) -> None:
    """Write the ``predictions.csv`` of an ensemble, in the form of a run's."""
    rows = [row for split in SPLITS for row in first.rows(split)]
    header = [key for key in rows[0] if key != "stamp"] + (["stamp"] if stamps else [])
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, header)
        writer.writeheader()
        for split in SPLITS:
            for number, row in enumerate(first.rows(split)):
                answered = {**row, "stamp": ", ".join(stamps)} if stamps else dict(row)
                for target, answers in ensemble.answers[split].items():
                    answered.update(_cells(target, answers, number))
                writer.writerow({key: answered[key] for key in header})


def _cells(target: str, answers: Answers, number: int) -> dict[str, str]:
    probabilities = zip(answers.classes, answers.probabilities[number], strict=True)
    cells = {f"{target}.p.{name}": f"{p:.6f}" for name, p in probabilities}
    return {**cells, f"{target}.predicted": answers.classes[answers.predicted[number]]}


def ensemble_metrics(runs: Sequence[FinishedRun], ensemble: Ensemble, folder: Path, fitted: bool) -> dict[str, Any]:
    """Return the content of an ensemble's ``metrics.json``, with members and weights; costs are summed."""
    first = runs[0].metrics
    members = [str(run.folder) for run in runs]
    return {
        **{key: first[key] for key in SHARED if key in first},
        "variant": f"ensemble of {len(runs)}",
        "seed": 0,
        "scores": ensemble.scores,
        "stamps": list(dict.fromkeys(stamp for run in runs for stamp in run.metrics["stamps"])),
        "notes": [NOTE] if fitted else [],
        "members": members,
        "weights": {t: dict(zip(members, w.tolist(), strict=True)) for t, w in ensemble.weights.items()},
        "parameters": sum(run.metrics.get("parameters", 0) for run in runs),
        "seconds": round(sum(run.metrics.get("seconds", 0.0) for run in runs), 2),
        "peak_memory": max(run.metrics.get("peak_memory", 0) for run in runs),
        "folder": str(folder),
    }


def member_rows(runs: Sequence[FinishedRun], ensemble: Ensemble, select: str) -> list[dict[str, str]]:
    """Return one row per member and one for the ensemble: the selected score of each split, and the weight."""
    target, _, metric = select.partition(".")
    target = target if target in ensemble.weights else next(iter(ensemble.weights))
    rows = [
        (str(run.folder), run.metrics["scores"], weight)
        for run, weight in zip(runs, ensemble.weights[target], strict=True)
    ]
    return [
        {
            "": name,
            **{f"{metric}, {split}": _point(scores, split, target, metric) for split in SPLITS},
            "weight": f"{w:.3f}",
        }
        for name, scores, w in [*rows, ("together", ensemble.scores, 1.0)]
    ]


def _point(scores: Mapping[str, Any], split: str, target: str, metric: str) -> str:
    value = scores.get(split, {}).get(target, {}).get(metric)
    return f"{100 * value:.2f}" if isinstance(value, float) else "-"
