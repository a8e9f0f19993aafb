"""Checks whether runs can be compared in one table."""

from collections.abc import Sequence
from typing import NoReturn

from ercfw.errors import InputError, Mistake
from ercfw.results.finished_run import Group

HINT = "choose runs of the same data and protocol, or use ercfw compare --side-by-side"


def check_comparable(groups: Sequence[Group], split: str, target: str) -> list[str]:
    """Check that groups can be compared in one table, and return warnings about their differences.

    Raises:
        InputError: they were scored on different utterances or labels, on real and simulated data, or chosen under
            different protocols; every group that does not match the first is named.
    """
    first = groups[0].first
    expected = first.answers(split, target)
    mistakes, warnings = [], []
    for group in groups[1:]:
        run = group.first
        if run.metrics.protocol != first.metrics.protocol:
            what = f"protocol {run.metrics.protocol}, but {first.folder} has {first.metrics.protocol}"
            mistakes.append(Mistake(str(run.folder), what, HINT))
        elif not run.answers(split, target).is_of_same(expected):
            what = f"was scored on other utterances, labels or classes than {first.folder}"
            mistakes.append(Mistake(str(run.folder), what, HINT))
        if run.metrics.select != first.metrics.select:
            warnings.append(f"'{group.name}' was chosen by {run.metrics.select}, not by {first.metrics.select}")
        trained = [each.metrics.size("train").utterances for each in (run, first)]
        if trained[0] != trained[1]:
            warnings.append(f"'{group.name}' was trained on {trained[0]} utterances, not on {trained[1]}")
    if mistakes:
        raise InputError(mistakes)
    return warnings


def targets_of(groups: Sequence[Group], split: str) -> list[str]:
    """Return the targets that every group was scored for on a split.

    Raises:
        InputError: there is no such target.
    """
    scored = [_scored(group, split) for group in groups]
    common = [target for target in scored[0] if all(target in targets for targets in scored)]
    if not common:
        _refuse(next((g for g, t in zip(groups, scored, strict=True) if not {*t} & {*scored[0]}), groups[-1]), split)
    return common


def groups_by_target(groups: Sequence[Group], split: str) -> dict[str, list[Group]]:
    """Return the groups that were scored for each target of the first group, if there are others to compare it with.

    Raises:
        InputError: a group has no target in common with the first.
    """
    scored = [_scored(group, split) for group in groups]
    for group, targets in zip(groups, scored, strict=True):
        if not {*targets} & {*scored[0]}:
            _refuse(group, split)
    members = {
        target: [group for group, targets in zip(groups, scored, strict=True) if target in targets]
        for target in scored[0]
    }
    return {target: found for target, found in members.items() if len(found) > 1 or len(groups) == 1}


def _scored(group: Group, split: str) -> list[str]:
    """Return the targets that every run of a group was scored for."""
    runs = [run.metrics.scores.get(split, {}) for run in group.runs]
    return [target for target in runs[0] if all(target in scores for scores in runs)]


def _refuse(group: Group, split: str) -> NoReturn:
    lacking = next((run for run in group.runs if not run.metrics.scores.get(split)), group.first)
    raise InputError.at(lacking.folder, f"has no target in common with the other runs that is scored on {split}")


def answered_targets(groups: Sequence[Group]) -> list[str]:
    """Return the targets that every run of every group predicts, scored or not."""
    runs = [run for group in groups for run in group.runs]
    return [target for target in runs[0].targets if all(target in run.targets for run in runs)]
