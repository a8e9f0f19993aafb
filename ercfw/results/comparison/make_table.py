"""Make the result table of groups of runs: means, intervals, and significant differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import mean, stdev
from typing import Any

import numpy as np

from ercfw.errors import InputError
from ercfw.results.comparison.confusion_counts import WHOLE, Array, Score, of_class
from ercfw.results.comparison.result_table import Cell, ResultLine, ResultTable
from ercfw.results.comparison.significance import (
    FEWEST,
    Difference,
    MeanScores,
    draw_conversations,
    mean_scores,
    sample_scores,
)
from ercfw.results.finished_run import Group

MEGABYTE = 1e6


def make_table(groups: Sequence[Group], split: str, target: str) -> ResultTable:
    """Make the table of groups that were scored on the same utterances; the first group is the reference.

    Raises:
        InputError: seeds of a group were scored on different utterances, or their predictions are not those scored.
    """
    counts = [group.counts(split, target) for group in groups]
    classes = groups[0].first.answers(split, target).classes
    select = groups[0].first.metrics.select
    metrics = _metrics(groups, split, target, select)
    scores = [*map(of_class, range(len(classes))), *(WHOLE.get(name) for name in metrics)]
    keys = [*(("f1", name) for name in classes), *((name,) for name in metrics)]
    values = [[_values(group, split, target, key) for group in groups] for key in keys]
    for name, of_metric in zip(metrics, values[len(classes) :], strict=True):
        for group, runs, seen in zip(groups, counts, of_metric, strict=True):
            _check_scored(group, runs, seen, name)
    estimates = _estimates(counts, scores)
    columns = [_column(of_key, estimate) for of_key, estimate in zip(values, estimates, strict=True)]
    from_first = _from_first(len(groups), estimates[len(classes)] if metrics else None)
    lines = [
        _line(group, [column[number] for column in columns], difference)
        for number, (group, difference) in enumerate(zip(groups, from_first, strict=True))
    ]
    first = groups[0].first.metrics
    stamps = dict.fromkeys(stamp for group in groups for run in group.runs for stamp in run.metrics.stamps)
    without = _without_utterances(counts[0], classes, split)
    return ResultTable(
        first.title, target, split, classes, metrics, lines, groups[0].name, first.protocol, tuple(stamps), without
    )


def _without_utterances(counts: Array, classes: Sequence[str], split: str) -> list[str]:
    """Return a note about the classes that no utterance has: ``[S, K, C, C]``."""
    true = counts[0].sum((0, 2))  # [C]
    names = [name for name, number in zip(classes, true, strict=True) if not number]
    return [f"No utterance of {split} has these classes, so their F1 is 0: {', '.join(names)}."] if names else []


def _check_scored(group: Group, runs: Array, values: Sequence[float], metric: str) -> None:
    """Check a score against the predictions, so that no column has values of two definitions of its metric."""
    score = WHOLE.get(metric)
    if score is not None and len(values) == len(runs) and not np.allclose(score(runs.sum(1)), values, atol=1e-6):
        what = f"has predictions that do not match the scores in its metrics.json: {metric} differs"
        raise InputError.at(group.first.folder.parent, what, "ercfw run --force makes the runs again")


def _metrics(groups: Sequence[Group], split: str, target: str, select: str) -> list[str]:
    """Return the metrics that are one number, the selected one first."""
    scores = [run.metrics.scores.get(split, {}).get(target, {}) for group in groups for run in group.runs]
    names = dict.fromkeys(name for each in scores for name, value in each.items() if not isinstance(value, dict))
    return sorted(names, key=lambda name: f"{target}.{name}" != select)


def _values(group: Group, split: str, target: str, key: tuple[str, ...]) -> list[float]:
    found = []
    for run in group.runs:
        value: Any = run.metrics.scores.get(split, {}).get(target, {})
        for part in key:
            value = value.get(part) if isinstance(value, Mapping) else None
        found += [float(value)] if isinstance(value, (int, float)) else []
    return found


@dataclass(frozen=True)
class _Estimate:
    """The mean scores of those lines that have enough seeds, by their places in the table."""

    places: Sequence[int]
    scores: MeanScores


def _estimates(counts: Sequence[Array], scores: Sequence[Score | None]) -> list[_Estimate | None]:
    """Return an estimate for each score that is computed from confusion counts."""
    places = [place for place, runs in enumerate(counts) if min(runs.shape[:2]) >= FEWEST]
    known = [score for score in scores if score is not None]
    if not places:
        return [None] * len(scores)
    drawn = draw_conversations(counts[places[0]].shape[1])
    sampled = [sample_scores(counts[place], known, drawn) for place in places]
    by_score = iter(_Estimate(places, mean_scores(lines)) for lines in zip(*sampled, strict=True))
    return [next(by_score) if score is not None else None for score in scores]


def _column(values: Sequence[Sequence[float]], estimate: _Estimate | None) -> list[Cell | None]:
    cells = [Cell(mean(each), stdev(each) if len(each) > 1 else None) if each else None for each in values]
    if estimate is None:
        return cells
    best = {estimate.places[number] for number in estimate.scores.best()}
    tells_apart = 2 * len(best) <= len(estimate.places)
    for number, place in enumerate(estimate.places):
        if (cell := cells[place]) is not None:
            is_best = place in best and tells_apart and cell.mean > 0
            cells[place] = replace(cell, interval=estimate.scores.interval(number), is_best=is_best)
    return cells


def _from_first(lines: int, estimate: _Estimate | None) -> list[Difference | None]:
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
