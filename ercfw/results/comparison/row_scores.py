"""Scores of drawn conversations by a metric that is no function of sums over conversations."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ercfw.contract.metric import Metric, ScoredRows
from ercfw.results.comparison.confusion_counts import Array
from ercfw.results.finished_run import Group
from ercfw.results.score_table import spec_of
from ercfw.results.scoring import measure, scored_rows
from ercfw.results.target_predictions import TargetPredictions

LineScore = Callable[[Sequence[int]], Array]
"""Returns the score of each seed of a line, ``[S]``, over conversations, by their numbers; one may occur repeatedly."""


class RowScores:
    """Scores the conversations of a table's lines by metrics.

    Args:
        groups: the runs of each line.
        split: the split that was scored.
        target: the predicted target.
        functions: the metrics by name.
    """

    def __init__(self, groups: Sequence[Group], split: str, target: str, functions: Mapping[str, Metric]) -> None:
        self._groups, self._split, self._target, self._functions = groups, split, target, functions

    def of(self, name: str) -> list[LineScore] | None:
        """Return the function that scores each line; None if the metric is not known."""
        if name not in self._functions:
            return None
        return [self._line(group, name, self._functions[name]) for group in self._groups]

    def _line(self, group: Group, name: str, metric: Metric) -> LineScore:
        answers = group.answers(self._split, self._target)
        about, real = group.first.of_split(self._split).about, answers[0].labelled
        spec = spec_of(group.first, self._target, answers[0])
        rows = scored_rows(about["conversation"], about["speaker"], real)
        starts = np.flatnonzero(np.append(True, np.diff(rows.conversation) != 0))
        blocks = np.split(np.arange(len(rows.conversation)), starts[1:])  # the rows of each conversation

        def score(conversations: Sequence[int]) -> Array:
            chosen = np.concatenate([blocks[number] for number in conversations])
            lengths = [len(blocks[number]) for number in conversations]
            order = ScoredRows(np.repeat(np.arange(len(lengths)), lengths), rows.position[chosen], rows.speaker[chosen])
            seeds = [(each.true[real][chosen], _values(each, real, chosen)) for each in answers]
            found = [measure(self._target, spec, true, values, {name: metric}, order)[name] for true, values in seeds]
            return np.array([each if isinstance(each, float) else np.nan for each in found])

        return score


def _values(answers: TargetPredictions, real: NDArray[np.bool_], rows: NDArray[Any]) -> NDArray[np.float32]:
    values: NDArray[np.float32] = answers.values[real][rows].astype(np.float32)
    return values
