"""Agreement of recipes: which utterances one predicts correctly and another does not."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ercfw.results.finished_run import Group
from ercfw.results.prediction_table import KEYS
from ercfw.system.files import replacing

HALF = 0.5


@dataclass(frozen=True)
class PairAgreement:
    """Numbers of labelled utterances that two groups predict correctly.

    Attributes:
        first: the name of one group.
        second: the name of the other group.
        both: utterances that both predict correctly.
        only_first: utterances that only the first predicts correctly.
        only_second: utterances that only the second predicts correctly.
        neither: utterances that neither predicts correctly.
    """

    first: str
    second: str
    both: int
    only_first: int
    only_second: int
    neither: int


def share_right(group: Group, split: str, target: str) -> NDArray[np.float64]:
    """Return for each labelled utterance the share of seeds that predict it correctly: ``[N]``."""
    answers = [run.answers(split, target) for run in group.runs]
    real = answers[0].labelled
    right = [each.predicted[real] == each.labels[real] for each in answers]  # [N] or [N, C]
    shares: NDArray[np.float64] = np.mean([each.reshape(len(each), -1).all(1) for each in right], axis=0)
    return shares


def pair_agreements(groups: Sequence[Group], split: str, target: str) -> list[PairAgreement]:
    """Return the agreement of each pair of groups on the labelled utterances of a split.

    A group predicts an utterance correctly if more than half of its seeds do.
    """
    correct = {group.name: share_right(group, split, target) > HALF for group in groups}  # [N] each
    return [
        PairAgreement(
            first=a,
            second=b,
            both=int((correct[a] & correct[b]).sum()),
            only_first=int((correct[a] & ~correct[b]).sum()),
            only_second=int((~correct[a] & correct[b]).sum()),
            neither=int((~correct[a] & ~correct[b]).sum()),
        )
        for a, b in combinations(correct, 2)
    ]


def write_right(path: Path, groups: Sequence[Group], split: str, target: str) -> None:
    """Write a CSV file: one row per labelled utterance: its label, each group's share of correct seeds, stamps."""
    shares = [share_right(group, split, target) for group in groups]
    table = groups[0].first.of_split(split)
    of = table.targets[target]
    real = np.flatnonzero(of.labelled).tolist()
    described = table.take(real).about
    columns = {name: described[name] for name in KEYS}
    columns[target] = tuple(of.classes[label] for label in of.labels[real])
    columns |= {group.name: tuple(f"{s:g}" for s in of_group) for group, of_group in zip(groups, shares, strict=True)}
    stamps = dict.fromkeys(stamp for group in groups for run in group.runs for stamp in run.metrics.stamps)
    columns["stamps"] = (", ".join(stamps),) * len(real)
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
