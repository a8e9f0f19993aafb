"""What a score is compared with: the most frequent class, a linear control, and other samples of conversations."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from statistics import mean

import numpy as np

from ercfw.errors import InputError
from ercfw.results.comparison.comparability import check_comparable
from ercfw.results.comparison.confusion_counts import WHOLE, Array, Score
from ercfw.results.comparison.significance import FEWEST, draw_conversations, half_width_over, sample_scores
from ercfw.results.finished_run import FinishedRun, Group, find_groups

LINEAR = "linear"
"""The beginning of the name of a variant that is the linear control of a recipe."""


@dataclass(frozen=True)
class Controls:
    """What the scores of some variants on a split and target are compared with.

    Attributes:
        run: the first run of the first variant.
        linear: the linear control; None if there is none, or if it is the first variant itself.
    """

    run: FinishedRun
    linear: Group | None
    split: str
    target: str

    def scores(self, metric: str) -> dict[str, float]:
        """Return the scores of the linear control and of the majority class, where they are known."""
        found: dict[str, float] = {}
        if self.linear is not None:
            values = [run.metrics.score(self.split, self.target, metric) for run in self.linear.runs]
            if known := [value for value in values if value is not None]:
                found[self.linear.first.metrics.variant] = mean(known)
        majority = majority_score(self.run, self.split, self.target, metric)
        return found if majority is None else {**found, "majority class": majority}


def find_controls(groups: Sequence[Group], split: str, target: str) -> Controls:
    """Return the controls of groups that were scored on the same utterances."""
    linear = _linear_control(groups, split, target)
    is_first = linear is not None and linear.first.folder == groups[0].first.folder
    return Controls(groups[0].first, None if is_first else linear, split, target)


def majority_score(run: FinishedRun, split: str, target: str, metric: str) -> float | None:
    """Return the score of predicting the most frequent class of train; None if it is not known, as in an ensemble."""
    score = WHOLE.get(metric)
    if score is None or run.info is None or target not in run.info.targets:
        return None
    counts = run.answers(split, target).counts.sum(0)  # [C, C]
    constant = np.zeros_like(counts)
    constant[:, int(np.argmax(run.info.targets[target].counts))] = counts.sum(1)
    return float(score(constant))


def _linear_control(groups: Sequence[Group], split: str, target: str) -> Group | None:
    """Return the first variant whose name begins with ``linear``: among the groups, else among the runs beside them.

    A variant that was scored on other utterances, or under another protocol, is no control.
    """
    beside = sorted(path for path in groups[0].first.folder.absolute().parent.parent.glob(f"{LINEAR}*"))
    with suppress(InputError):
        candidates: list[Group] = [*groups, *(find_groups(beside) if beside else ())]
        for group in candidates:
            if group.first.metrics.variant.lower().startswith(LINEAR):
                check_comparable([groups[0], group], split, target)
                return group
    return None


def interval_over_conversations(counts: Array, score: Score) -> tuple[float, float] | None:
    """Return the 95 % interval of the score of one run, ``[K, C, C]``, over conversations; None for a single one."""
    if len(counts) < FEWEST:
        return None
    (sampled,) = sample_scores(counts[None], [score], draw_conversations(len(counts)))
    half = half_width_over(sampled)
    return max(0.0, float(sampled.seeds[0]) - half), min(1.0, float(sampled.seeds[0]) + half)
