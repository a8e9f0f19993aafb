"""Sections of closer analysis: slices of the data, similar emotions, minority classes."""

from collections.abc import Sequence
from statistics import mean, stdev

from ercfw.contract.conversation import UNLABELLED
from ercfw.report.blocks import Block, Grid, Paragraph, Section
from ercfw.results.comparison.comparability import answered_targets
from ercfw.results.comparison.confusable_classes import minority_classes, similar_pairs
from ercfw.results.comparison.confusion_counts import Array, class_f1
from ercfw.results.comparison.slices import find_slices
from ercfw.results.finished_run import Group

SPLIT = "test"


def analysis(groups: Sequence[Group]) -> list[Section]:
    """Return the sections for each target scored on test; all groups must have the same utterances."""
    found = []
    first = groups[0].first
    targets = answered_targets(groups) if SPLIT in first.splits else []
    for target in targets:
        of = f" ({target})" if len(targets) > 1 else ""
        if (first.answers(SPLIT, target).labels != UNLABELLED).any():
            found += [
                Section(f"Where it is right{of}", _slices(groups, target)),
                Section(f"Similar emotions and minority classes{of}", _hard(groups, target)),
            ]
    return found


def _slices(groups: Sequence[Group], target: str) -> list[Block]:
    found = find_slices(groups, SPLIT, target)
    rows = [
        [each.by, each.name, str(each.utterances), *(_spread(each.scores[group.name]) for group in groups)]
        for each in found
    ]
    told = f"Weighted F1 on {SPLIT} of the utterances that have this in common, in points."
    headings = [group.name for group in groups] if len(groups) > 1 else ["weighted F1"]
    return [Paragraph(told), Grid(["told apart by", "which", "utterances", *headings], rows)] if rows else []


def _hard(groups: Sequence[Group], target: str) -> list[Block]:
    first = groups[0].first
    classes = first.answers(SPLIT, target).classes
    counts = {group.name: group.counts(SPLIT, target).sum(1) for group in groups}  # [S, C, C] each
    blocks: list[Block] = []
    if rows := _pair_rows(counts, classes):
        header = ["", "one as the other", "the other as one", "mean F1 of both"]
        told = f"Similar emotions on {SPLIT}: the share of one's utterances that is taken for the other, in percent."
        blocks += [Paragraph(told), Grid(header, rows)]
    spec = first.info.targets.get(target) if first.info else None
    minor = minority_classes(spec.counts) if spec else []
    if minor and spec:
        told = ", ".join(f"{classes[number]} {spec.counts[number]}" for number in minor)
        f1 = {name: [float(of_seed[minor].mean()) for of_seed in class_f1(each)] for name, each in counts.items()}
        blocks += [
            Paragraph(f"Minority classes have less than two thirds of an even share of train: {told}."),
            Grid(["", f"mean F1 of the minority classes, {SPLIT}"], [[n, _spread(each)] for n, each in f1.items()]),
        ]
    return blocks


def _pair_rows(counts: dict[str, Array], classes: Sequence[str]) -> list[list[str]]:
    rows = []
    for name, seeds in counts.items():
        of_seeds = [similar_pairs(each, classes) for each in seeds]
        for pairs in zip(*of_seeds, strict=True):
            pair = f"{classes[pairs[0].one]}, {classes[pairs[0].other]}"
            taken = [[pair.taken[way] for pair in pairs] for way in (0, 1)]
            title = f"{name}: {pair}" if len(counts) > 1 else pair
            rows.append([title, *map(_spread, taken), _spread([pair.f1 for pair in pairs])])
    return rows


def _spread(values: Sequence[float]) -> str:
    """Return the mean and deviation over seeds, in points."""
    points = [100 * value for value in values]
    return f"{mean(points):.2f}" + (f" ± {stdev(points):.2f}" if len(points) > 1 else "")
