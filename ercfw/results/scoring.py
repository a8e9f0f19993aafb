"""Predictions of a split, and their scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ercfw.contract.conversation import UNLABELLED, UtteranceId
from ercfw.contract.data_info import DataInfo
from ercfw.contract.interfaces import Metric
from ercfw.errors import RunError, cause_of

Scores = dict[str, float | dict[str, float]]


@dataclass(frozen=True)
class Predictions:
    """Predictions of a model for a split, one row per utterance, in the order of its conversations.

    Attributes:
        ids: the ids of the utterances.
        labels: ``[N]`` per target, -100 = unlabelled.
        probabilities: ``[N, C]`` per target.
        losses: each weighted loss; the mean over batches, weighted by their labelled rows.
        embeddings: ``[N, E]`` per target, the input vectors of its head.
    """

    ids: tuple[UtteranceId, ...]
    labels: Mapping[str, NDArray[np.int64]]
    probabilities: Mapping[str, NDArray[np.float32]]
    losses: Mapping[str, float]
    embeddings: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)


def score(predictions: Predictions, metrics: Mapping[str, Metric], info: DataInfo) -> dict[str, Scores]:
    """Return every metric of every target over the labelled utterances; skip targets without labels.

    Raises:
        RunError: a probability is not a number, or a metric fails.
    """
    scores: dict[str, Scores] = {}
    for target, labels in predictions.labels.items():
        real = labels != UNLABELLED
        if not real.any():
            continue
        true, probabilities = labels[real], predictions.probabilities[target][real]
        if not np.isfinite(probabilities).all():
            raise RunError(
                f"head '{target}' gave a probability that is not a number; try a lower train.lr, or train.clip"
            )
        scores[target] = measure(true, probabilities, metrics, info.targets[target].classes)
    return scores


def measure(
    true: NDArray[np.int64], probabilities: NDArray[np.float32], metrics: Mapping[str, Metric], classes: Sequence[str]
) -> Scores:
    """Compute every metric of labelled utterances: ``[N], [N, C] ->`` scores by name.

    Raises:
        RunError: a metric fails.
    """
    return {name: _measure(name, metric, true, probabilities, classes) for name, metric in metrics.items()}


def _measure(
    name: str, metric: Metric, true: NDArray[np.int64], probabilities: NDArray[np.float32], classes: Sequence[str]
) -> float | dict[str, float]:
    try:
        value = metric(true, probabilities, classes)
        if isinstance(value, np.ndarray) and value.ndim:
            return dict(zip(classes, map(float, value), strict=True))
        return float(value)
    except Exception as error:
        raise RunError(f"metric '{name}' failed: {cause_of(error)}") from error


def selected(scores: Mapping[str, Scores], select: str) -> float:
    """Return the score that ``select`` (``target.metric``) names; the mean if it is one number per class."""
    target, _, metric = select.partition(".")
    value = scores[target][metric]
    return value if isinstance(value, float) else float(np.mean(list(value.values())))
