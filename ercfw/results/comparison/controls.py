"""What a score is compared with: the best constant answer, a linear control, and other samples of conversations."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from statistics import mean

import numpy as np

from ercfw.contract.data_info import TargetSpec
from ercfw.contract.metric import Scale
from ercfw.contract.targets import TargetKind, decided
from ercfw.errors import InputError
from ercfw.results.comparison.comparability import check_comparable
from ercfw.results.comparison.confusion_counts import Array
from ercfw.results.comparison.significance import (
    FEWEST,
    bounded,
    draw_conversations,
    half_width_over,
    sample_scores,
)
from ercfw.results.comparison.summed_scores import SUMMED
from ercfw.results.finished_run import FinishedRun, Group, find_groups
from ercfw.results.target_predictions import TargetPredictions

CONSTANT: Mapping[TargetKind, str] = {
    "classes": "majority class", "regression": "mean of train", "multilabel": "majority of each label",
}  # fmt: skip
"""The names of the best constant answer."""
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
        """Return the scores of the linear control and of the best constant answer, where they are known."""
        found: dict[str, float] = {}
        if self.linear is not None:
            values = [run.metrics.score(self.split, self.target, metric) for run in self.linear.runs]
            if known := [value for value in values if value is not None]:
                found[self.linear.first.metrics.variant] = mean(known)
        constant = constant_score(self.run, self.split, self.target, metric)
        if constant is None:
            return found
        return {**found, CONSTANT[self.run.answers(self.split, self.target).kind]: constant}


def find_controls(groups: Sequence[Group], split: str, target: str) -> Controls:
    """Return the controls of groups that were scored on the same utterances."""
    linear = _linear_control(groups, split, target)
    is_first = linear is not None and linear.first.folder == groups[0].first.folder
    return Controls(groups[0].first, None if is_first else linear, split, target)


def constant_score(run: FinishedRun, split: str, target: str, metric: str) -> float | None:
    """Return the score of the best constant answer; None if it is not known, as in an ensemble.

    That is the most frequent class of train, each label that half of train has, or the mean of train.
    """
    answers = run.answers(split, target)
    score = SUMMED[answers.kind].whole.get(metric)
    if score is None or run.info is None or target not in run.info.targets or not answers.labelled.any():
        return None
    values = np.tile(_constant(run.info.targets[target]), (len(answers.ids), 1))  # [N, C]
    constant = replace(answers, values=values, predicted=decided(answers.kind, values))
    return float(score(SUMMED[answers.kind].sums(constant).sum(0)))


def _constant(spec: TargetSpec) -> Array:
    """Return the constant answer, as a head gives it: ``[C]``."""
    if spec.kind == "regression":
        return np.array(spec.mean)
    if spec.kind == "multilabel":
        return np.array(spec.counts) / max(1, spec.utterances)
    one_hot: Array = np.eye(len(spec.classes))[int(np.argmax(spec.counts))]
    return one_hot


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


def interval_over_conversations(answers: TargetPredictions, metric: str, scale: Scale) -> tuple[float, float] | None:
    """Return the 95 % interval of a score of one run over conversations; None for a single one, or another metric."""
    score = SUMMED[answers.kind].whole.get(metric)
    if score is None or not answers.labelled.any():
        return None
    sums = SUMMED[answers.kind].sums(answers)  # [K, ...]
    if len(sums) < FEWEST:
        return None
    (sampled,) = sample_scores(sums[None], [score], draw_conversations(len(sums)))
    return bounded(float(sampled.seeds[0]), half_width_over(sampled), scale)
