"""Predictions of a split, and their scores."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ercfw.contract.conversation import UtteranceId
from ercfw.contract.data_info import DataInfo, TargetSpec
from ercfw.contract.metric import Metric, ScoredRows, traits_of
from ercfw.contract.targets import TargetKind, hard_labels, has_label
from ercfw.errors import InputError, RunError, cause_of
from ercfw.registry.wiring import positional

Scores = dict[str, float | dict[str, float]]
NOT_FINITE: Mapping[TargetKind, str] = {
    "classes": "a probability that is not a number",
    "multilabel": "a probability that is not a number",
    "regression": "a number that is not finite",
}
EACH = "-each"
"""Ends the name of a score per number, whose mean has the name of the metric."""


@dataclass(frozen=True)
class Predictions:
    """Predictions of a model for a split, one row per utterance, in the order of its conversations.

    Attributes:
        ids: the ids of the utterances.
        labels: the labels of each target, as conversations hold them: ``[N]`` or ``[N, C]``.
        values: ``[N, C]`` per target: probabilities of classes or labels, or numbers.
        losses: each weighted loss; the mean over batches, weighted by their labelled rows.
        embeddings: ``[N, E]`` per target, the input vectors of its head.
        speakers: ``[N]``, the number of the speaker in the conversation; None = one speaker.
    """

    ids: tuple[UtteranceId, ...]
    labels: Mapping[str, NDArray[Any]]
    values: Mapping[str, NDArray[np.float32]]
    losses: Mapping[str, float]
    embeddings: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    speakers: NDArray[np.int64] | None = None


def score(predictions: Predictions, metrics: Mapping[str, Metric], info: DataInfo) -> dict[str, Scores]:
    """Return every metric of every target over the labelled utterances; skip targets without labels.

    Raises:
        RunError: a prediction is not a number, or a metric fails.
    """
    scores: dict[str, Scores] = {}
    for target, labels in predictions.labels.items():
        real, values = has_label(labels), predictions.values[target]
        if not real.any():
            continue
        if not np.isfinite(values[real]).all():
            what = NOT_FINITE[info.targets[target].kind]
            raise RunError(f"head '{target}' gave {what}; try a lower train.lr, or train.clip")
        speakers = np.zeros(len(real), np.int64) if predictions.speakers is None else predictions.speakers
        rows = scored_rows([conversation for conversation, _ in predictions.ids], speakers, real)
        scores[target] = measure(target, info.targets[target], labels[real], values[real], metrics, rows)
    return scores


def scored_rows(
    conversations: Sequence[str], speakers: Sequence[Any] | NDArray[Any], real: NDArray[np.bool_]
) -> ScoredRows:
    """Return the order of the labelled rows.

    Args:
        conversations: the conversation of each row; its rows follow each other.
        speakers: the speaker of each row, by name or number.
        real: ``[N]``, whether a row has a label.
    """
    names = np.asarray(conversations, dtype=object)
    starts = np.flatnonzero(np.append(True, names[1:] != names[:-1]))
    lengths = np.diff(np.append(starts, len(names)))
    position = np.arange(len(names)) - np.repeat(starts, lengths)
    speaker = np.unique(np.asarray(speakers), return_inverse=True)[1].reshape(-1)
    return ScoredRows(np.repeat(np.arange(len(starts)), lengths)[real], position[real], speaker[real])


def measure(
    target: str,
    spec: TargetSpec,
    labels: NDArray[Any],
    values: NDArray[np.float32],
    metrics: Mapping[str, Metric],
    rows: ScoredRows,
) -> Scores:
    """Compute every metric that serves a target, for labelled utterances.

    Args:
        target: the name of the target.
        spec: what it is.
        labels: ``[N]`` or ``[N, C]``, as conversations hold them.
        values: ``[N, C]``.
        metrics: the metrics by name.
        rows: the order of the rows.

    Raises:
        InputError: an option of a metric does not fit the target.
        RunError: a metric fails.
    """
    scores: Scores = {}
    for name, metric in metrics.items():
        if serves(metric, target, spec):
            reads_shares = spec.soft and spec.form in traits_of(metric).serves
            true = labels if reads_shares else hard_labels(spec.kind, labels)
            scores.update(_measure(name, metric, true, values, spec, rows))
    return scores


def serves(metric: Metric, target: str, spec: TargetSpec) -> bool:
    """Return whether a metric scores a target: its form, or the kind that its shares of annotators decide."""
    traits = traits_of(metric)
    in_range = traits.range is None or set(spec.ranges) == {traits.range}
    return in_range and traits.target in (None, target) and not {spec.form, spec.kind}.isdisjoint(traits.serves)


def _measure(
    name: str, metric: Metric, true: NDArray[Any], values: NDArray[np.float32], spec: TargetSpec, rows: ScoredRows
) -> Scores:
    try:
        order = (rows,) if len(positional(metric)) > 3 else ()
        value = metric(true, values, spec.classes, *order)
        if not (isinstance(value, np.ndarray) and value.ndim):
            return {name: float(value)}
        each = dict(zip(spec.classes, map(float, value), strict=True))
        if spec.kind != "regression":
            return {name: each}
        mean: Scores = {name: float(np.mean(value))}
        return {**mean, name + EACH: each} if len(each) > 1 else mean
    except InputError as error:
        raise InputError([replace(m, where=f"[metric.{name}] {m.where}") for m in error.mistakes]) from error
    except Exception as error:
        raise RunError(f"metric '{name}' failed: {cause_of(error)}") from error


def selected(scores: Mapping[str, Scores], select: str) -> float:
    """Return the score that ``select`` (``target.metric``) names; the mean if it is one number per class."""
    target, _, metric = select.partition(".")
    value = scores[target][metric]
    return value if isinstance(value, float) else float(np.mean(list(value.values())))
