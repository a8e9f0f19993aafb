"""Sections that analyse the scores: subsets of the data, similar emotions, minority classes."""

from collections.abc import Sequence

from ercfw.report.blocks import Block, Grid, Paragraph, Section
from ercfw.report.tables import SPLIT
from ercfw.results.comparison.comparability import answered_targets
from ercfw.results.comparison.confusable_classes import minority_classes, similar_pairs
from ercfw.results.comparison.confusion_counts import Array, class_f1
from ercfw.results.comparison.slices import MAIN, find_slices
from ercfw.results.finished_run import Group
from ercfw.results.points import points_over_seeds


def analysis(groups: Sequence[Group]) -> list[Section]:
    """Return the sections for each target scored on test; all groups must have the same utterances."""
    sections = []
    first = groups[0].first
    targets = answered_targets(groups) if SPLIT in first.splits else []
    for target in targets:
        suffix = f" ({target})" if len(targets) > 1 else ""
        if first.answers(SPLIT, target).labelled.any():
            sections.append(Section(f"Subgroups{suffix}", _slices(groups, target)))
            if first.answers(SPLIT, target).kind == "classes":
                blocks = _hard_classes(groups, target)
                sections.append(Section(f"Similar emotions and minority classes{suffix}", blocks))
    return sections


def _slices(groups: Sequence[Group], target: str) -> list[Block]:
    """Return one table per property by which the utterances are divided."""
    name, metric = MAIN[groups[0].first.answers(SPLIT, target).kind]
    scale = groups[0].first.metrics.scale(metric)
    headings = [group.name for group in groups] if len(groups) > 1 else [name]
    tables: dict[str, list[list[str]]] = {}
    for each in find_slices(groups, SPLIT, target):
        scores = [points_over_seeds(each.scores[group.name], scale) for group in groups]
        tables.setdefault(each.by, []).append([each.name, str(each.utterances), *scores])
    grids = [Grid([by, "utterances", *headings], rows) for by, rows in tables.items()]
    unit = ", in points," if scale.in_points else ""
    text = f"{name[0].upper()}{name[1:]}{unit} on subgroups of the {SPLIT} utterances."
    return [Paragraph(text, is_lead=True), *grids] if grids else []


def _hard_classes(groups: Sequence[Group], target: str) -> list[Block]:
    first = groups[0].first
    classes = first.answers(SPLIT, target).classes
    counts = {group.name: group.counts(SPLIT, target).sum(1) for group in groups}  # [S, C, C] each
    blocks: list[Block] = []
    if rows := _pair_rows(counts, classes):
        text = (
            f"Confusion of similar emotions on {SPLIT}. A predicted as B is the percentage of the utterances of A for "
            "which the model predicts B. F1 is in points."
        )
        header = ["emotions A, B", "A predicted as B", "B predicted as A", "mean F1 of A and B"]
        blocks += [Paragraph(text), Grid(_variant_column(header, groups), rows)]
    spec = first.info.targets.get(target) if first.info else None
    minor = minority_classes(spec.counts) if spec else []
    if minor and spec:
        listed = ", ".join(f"{classes[number]} ({spec.counts[number]})" for number in minor)
        f1 = {name: [float(of_seed[minor].mean()) for of_seed in class_f1(each)] for name, each in counts.items()}
        text = (
            "Minority classes have fewer than two thirds of the average number of training utterances per class. "
            f"Their training utterances: {listed}."
        )
        header = ["variant", f"mean F1 of the minority classes, {SPLIT}"]
        blocks += [Paragraph(text), Grid(header, [[name, points_over_seeds(each)] for name, each in f1.items()])]
    return blocks


def _variant_column(header: list[str], groups: Sequence[Group]) -> list[str]:
    return ["variant", *header] if len(groups) > 1 else header


def _pair_rows(counts: dict[str, Array], classes: Sequence[str]) -> list[list[str]]:
    """Return one row per variant and pair; with a single variant, the rows do not name it."""
    rows = []
    for name, seeds in counts.items():
        of_seeds = [similar_pairs(each, classes) for each in seeds]
        for pairs in zip(*of_seeds, strict=True):
            names = f"{classes[pairs[0].one]}, {classes[pairs[0].other]}"
            confused = [points_over_seeds([pair.taken[way] for pair in pairs]) for way in (0, 1)]
            variant = [name] if len(counts) > 1 else []
            rows.append([*variant, names, *confused, points_over_seeds([pair.f1 for pair in pairs])])
    return rows
