"""Make the result table of groups of runs: means, intervals, and significant differences."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from statistics import mean, stdev
from types import MappingProxyType
from typing import Any

import numpy as np

from ercfw.contract.metric import SHARE, Metric, Scale
from ercfw.errors import InputError
from ercfw.results.comparison.confusion_counts import Array, Score
from ercfw.results.comparison.estimates import Estimate, estimate_scores
from ercfw.results.comparison.result_table import Cell, ResultLine, ResultTable
from ercfw.results.comparison.row_scores import RowScores
from ercfw.results.comparison.significance import Difference
from ercfw.results.comparison.summed_scores import SUMMED, sums_of
from ercfw.results.finished_run import Group
from ercfw.results.target_predictions import TargetPredictions

MEGABYTE = 1e6


def make_table(
    groups: Sequence[Group], split: str, target: str, functions: Mapping[str, Metric] = MappingProxyType({})
) -> ResultTable:
    """Make the table of groups that were scored on the same utterances; the first group is the reference.

    Args:
        groups: the runs of each line.
        split: the split that was scored.
        target: the predicted target.
        functions: metrics by name, for the intervals of scores that are no function of sums over conversations.

    Raises:
        InputError: seeds of a group were scored on different utterances, or their predictions are not those scored.
    """
    answers = [group.answers(split, target) for group in groups]
    sums = [sums_of(of_seeds) for of_seeds in answers]
    first, kind = answers[0][0], SUMMED[answers[0][0].kind]
    names = kind.names(first)
    metrics = _metrics(groups, split, target, groups[0].first.metrics.select)
    scores = [*(kind.of_one(place) for place in range(len(names))), *(kind.whole.get(name) for name in metrics)]
    keys = [*((kind.each, name) for name in names), *((name,) for name in metrics)]
    scales = [groups[0].first.metrics.scale(key[0]) for key in keys]
    values = [[_values(group, split, target, key) for group in groups] for key in keys]
    for metric, of_metric in zip(metrics, values[len(names) :], strict=True):
        for group, runs, seen in zip(groups, sums, of_metric, strict=True):
            _check_scored(group, runs, seen, metric, kind.whole.get(metric))
    by_rows = RowScores(groups, split, target, functions)
    estimates = estimate_scores(sums, scores, scales, [by_rows.of(key[0]) for key in keys])
    columns = [_column(*each) for each in zip(values, estimates, scales, strict=True)]
    from_first = _from_first(len(groups), estimates[len(names)] if metrics else None)
    lines = [
        _line(group, [column[number] for column in columns], difference)
        for number, (group, difference) in enumerate(zip(groups, from_first, strict=True))
    ]
    return _table_of(groups, split, target, names, metrics, lines, _without_utterances(first, split))


def _table_of(
    groups: Sequence[Group],
    split: str,
    target: str,
    names: Sequence[str],
    metrics: Sequence[str],
    lines: Sequence[ResultLine],
    notes: Sequence[str],
) -> ResultTable:
    first = groups[0].first.metrics
    stamps = dict.fromkeys(stamp for group in groups for run in group.runs for stamp in run.metrics.stamps)
    each = SUMMED[groups[0].first.answers(split, target).kind].each
    scales = {name: first.scale(each) for name in names} | {name: first.scale(name) for name in metrics}
    return ResultTable(
        first.title,
        target,
        split,
        names,
        metrics,
        lines,
        groups[0].name,
        first.protocol,
        tuple(stamps),
        notes,
        scales={name: scale for name, scale in scales.items() if scale != SHARE},
        each=each,
    )


def _without_utterances(answers: TargetPredictions, split: str) -> list[str]:
    """Return a note about the classes or labels that no utterance has."""
    if answers.kind == "regression":
        return []
    labels = answers.labels[answers.labelled]
    counts = labels.sum(0) if answers.kind == "multilabel" else np.bincount(labels, minlength=len(answers.classes))
    names = [name for name, number in zip(answers.classes, counts, strict=True) if not number]
    what = "labels" if answers.kind == "multilabel" else "classes"
    return [f"No utterance of {split} has these {what}, so their F1 is 0: {', '.join(names)}."] if names else []


def _check_scored(group: Group, runs: Array, values: Sequence[float], metric: str, score: Score | None) -> None:
    """Check a score against the predictions, so that no column has values of two definitions of its metric."""
    if score is not None and len(values) == len(runs) and not np.allclose(score(runs.sum(1)), values, atol=1e-6):
        what = f"has predictions that do not match the scores in its metrics.json: {metric} differs"
        raise InputError.at(group.first.folder.parent, what, "ercfw run --force makes the runs again")


def _metrics(groups: Sequence[Group], split: str, target: str, select: str) -> list[str]:
    """Return the metrics that are one number, first the one that chose the epoch, even if for another target."""
    scores = [run.metrics.scores.get(split, {}).get(target, {}) for group in groups for run in group.runs]
    names = dict.fromkeys(name for each in scores for name, value in each.items() if not isinstance(value, dict))
    return sorted(names, key=lambda name: name != select.partition(".")[2])


def _values(group: Group, split: str, target: str, key: tuple[str, ...]) -> list[float]:
    found = []
    for run in group.runs:
        value: Any = run.metrics.scores.get(split, {}).get(target, {})
        for part in key:
            value = value.get(part) if isinstance(value, Mapping) else None
        found += [float(value)] if isinstance(value, (int, float)) else []
    return found


def _column(values: Sequence[Sequence[float]], estimate: Estimate | None, scale: Scale) -> list[Cell | None]:
    cells = [Cell(mean(each), stdev(each) if len(each) > 1 else None) if each else None for each in values]
    if estimate is None:
        return cells
    best = {estimate.places[number] for number in estimate.scores.best()}
    tells_apart = 2 * len(best) <= len(estimate.places)
    for number, place in enumerate(estimate.places):
        if (cell := cells[place]) is not None:
            is_best = place in best and tells_apart and (scale.lower_is_better or cell.mean > 0)
            cells[place] = replace(cell, interval=estimate.scores.interval(number), is_best=is_best)
    return cells


def _from_first(lines: int, estimate: Estimate | None) -> list[Difference | None]:
    found: list[Difference | None] = [None] * lines
    if estimate is not None and estimate.places[0] == 0:
        for place, difference in zip(estimate.places[1:], estimate.scores.differences(0), strict=True):
            found[place] = difference
    return found


def _line(group: Group, cells: Sequence[Cell | None], difference: Difference | None) -> ResultLine:
    metrics = [run.metrics for run in group.runs]
    memory = [each.peak_memory for each in metrics if each.peak_memory]
    return ResultLine(
        group.name,
        cells,
        len(group.runs),
        difference,
        metrics[0].parameters,
        mean(each.seconds for each in metrics),
        max(memory) / MEGABYTE if memory else None,
    )
