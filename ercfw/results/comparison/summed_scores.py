"""For each kind of target: the sums over conversations from which its scores are computed, and these scores."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ercfw.contract.targets import TargetKind
from ercfw.results.comparison import confusion_counts, label_counts, number_sums
from ercfw.results.comparison.confusion_counts import Array, Score
from ercfw.results.scoring import EACH
from ercfw.results.target_predictions import TargetPredictions


@dataclass(frozen=True)
class SummedScores:
    """Scores that are functions of sums over conversations, so that samples of conversations are quick to score.

    Attributes:
        sums: returns the sums of each conversation that has a label, ``[K, ...]``.
        whole: scores of one number by the metric's name: ``[..., *F] -> [...]`` from sums of the shape ``F``.
        each: the metric that gives one number per class, label or number.
        of_one: returns its score of one of them, by its place.
    """

    sums: Callable[[TargetPredictions], Array]
    whole: Mapping[str, Score]
    each: str
    of_one: Callable[[int], Score]

    def names(self, answers: TargetPredictions) -> Sequence[str]:
        """Return the classes, labels or numbers that have a column of their own in tables: none of a single number."""
        return answers.classes if len(answers.classes) > 1 or answers.kind != "regression" else ()


def _number_sums(answers: TargetPredictions) -> Array:
    real = answers.labelled
    return number_sums.sum_numbers(answers.labelled_conversations, answers.labels[real], answers.values[real])


def _label_counts(answers: TargetPredictions) -> Array:
    real = answers.labelled
    return label_counts.count_labels(answers.labelled_conversations, answers.labels[real], answers.predicted[real])


SUMMED: Mapping[TargetKind, SummedScores] = {
    "classes": SummedScores(lambda of: of.counts, confusion_counts.WHOLE, "f1", confusion_counts.of_class),
    "regression": SummedScores(_number_sums, number_sums.WHOLE, f"ccc{EACH}", number_sums.of_number),
    "multilabel": SummedScores(_label_counts, label_counts.WHOLE, "label-f1", label_counts.of_label),
}


def sums_of(answers: Sequence[TargetPredictions]) -> Array:
    """Return the sums of several seeds, ``[S, K, ...]``."""
    return np.stack([SUMMED[each.kind].sums(each) for each in answers])
