"""Score predictions that are read from a table, as those of ensembles and pooled folds are."""

from collections.abc import Mapping

import numpy as np

from ercfw.contract.data_info import TargetSpec
from ercfw.contract.metric import Metric
from ercfw.errors import InputError
from ercfw.recipe.schema import MetricPart
from ercfw.registry.catalog import Catalog
from ercfw.registry.metrics import metrics_of
from ercfw.results.finished_run import FinishedRun
from ercfw.results.prediction_table import PredictionTable
from ercfw.results.scoring import Scores, measure, scored_rows
from ercfw.results.target_predictions import TargetPredictions


def metrics_of_run(run: FinishedRun, catalog: Catalog) -> dict[str, Metric]:
    """Return the metrics that scored a run: those of all plugins, and those that its recipe names.

    Raises:
        InputError: the recipe cannot be read, or no plugin offers a metric.
    """
    tables = run.recipe.get("metric", {}) if run.files.recipe.is_file() else {}
    return metrics_of(catalog, {name: MetricPart.model_validate(table) for name, table in tables.items()})


def known_metrics(run: FinishedRun, catalog: Catalog) -> dict[str, Metric]:
    """Return those metrics of a run that the catalog offers; a plugin file of the run may not be among its plugins."""
    try:
        return metrics_of_run(run, catalog)
    except InputError:
        return metrics_of(catalog, {})


def spec_of(run: FinishedRun, target: str, answers: TargetPredictions) -> TargetSpec:
    """Return the description of a target; without a model (an ensemble), the ranges of numbers are unknown."""
    if run.info is not None and target in run.info.targets:
        return run.info.targets[target]
    return TargetSpec(answers.classes, (), answers.kind, soft=answers.shares is not None)


def score_table(
    target: str, table: PredictionTable, answers: TargetPredictions, metrics: Mapping[str, Metric], spec: TargetSpec
) -> Scores:
    """Return the scores of one target over its labelled utterances, of which there is at least one.

    Args:
        target: the name of the target.
        table: the table of the predictions, one conversation after the other.
        answers: the predictions of the target, in the order of the table.
        metrics: the metrics.
        spec: the target.

    Raises:
        RunError: a metric fails.
    """
    real = answers.labelled
    rows = scored_rows(table.about["conversation"], table.about["speaker"], real)
    return measure(target, spec, answers.true[real], answers.values[real].astype(np.float32), metrics, rows)
