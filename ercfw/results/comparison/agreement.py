"""Agreement of recipes: which utterances one predicts correctly and another does not."""

import csv
from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ercfw.contract.conversation import UNLABELLED
from ercfw.results.finished_run import Group
from ercfw.results.prediction_table import KEYS
from ercfw.system.files import replacing

HALF = 0.5


def share_right(group: Group, split: str, target: str) -> NDArray[np.float64]:
    """Return for each labelled utterance the share of seeds that predict it correctly: ``[N]``."""
    answers = [run.answers(split, target) for run in group.runs]
    real = answers[0].labels != UNLABELLED
    shares: NDArray[np.float64] = np.mean([each.predicted[real] == each.labels[real] for each in answers], axis=0)
    return shares


def pair_counts(groups: Sequence[Group], split: str, target: str) -> list[dict[str, str | int]]:
    """Return one row per pair: utterances that both, one or neither predicts correctly with most of its seeds."""
    right = {group.name: share_right(group, split, target) > HALF for group in groups}
    return [
        {
            "one": one,
            "other": other,
            "both right": int((right[one] & right[other]).sum()),
            "only one": int((right[one] & ~right[other]).sum()),
            "only the other": int((~right[one] & right[other]).sum()),
            "neither": int((~right[one] & ~right[other]).sum()),
        }
        for one, other in combinations(right, 2)
    ]


def write_right(path: Path, groups: Sequence[Group], split: str, target: str) -> None:
    """Write a CSV file: one row per labelled utterance, with its label and each group's share of correct seeds."""
    shares = [share_right(group, split, target) for group in groups]
    table = groups[0].first.of_split(split)
    of = table.targets[target]
    real = np.flatnonzero(of.labels != UNLABELLED).tolist()
    described = table.take(real).about
    columns = {name: described[name] for name in KEYS}
    columns[target] = tuple(of.classes[label] for label in of.labels[real])
    columns |= {group.name: tuple(f"{s:g}" for s in of_group) for group, of_group in zip(groups, shares, strict=True)}
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
