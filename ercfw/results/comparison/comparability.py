"""Checks whether runs can be compared in one table."""

from collections.abc import Sequence

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
    scored = [set(run.metrics.scores.get(split, {})) for group in groups for run in group.runs]
    common = set.intersection(*scored)
    if not common:
        lacking = next(run.folder for group in groups for run in group.runs if not run.metrics.scores.get(split))
        raise InputError.at(lacking, f"has no target in common with the other runs that is scored on {split}")
    return [target for target in groups[0].first.metrics.scores[split] if target in common]


def answered_targets(groups: Sequence[Group]) -> list[str]:
    """Return the targets that every run of every group predicts, scored or not."""
    runs = [run for group in groups for run in group.runs]
    return [target for target in runs[0].targets if all(target in run.targets for run in runs)]
