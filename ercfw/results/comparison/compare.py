"""Comparison tables of groups of runs, for one corpus or for several side by side."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from ercfw.contract.metric import Metric
from ercfw.contract.reported_scores import Quoted
from ercfw.errors import InputError
from ercfw.results.comparison.comparability import check_comparable, groups_by_target, targets_of
from ercfw.results.comparison.make_table import make_table
from ercfw.results.comparison.reported_scores import with_quoted
from ercfw.results.comparison.result_table import ResultLine, ResultTable
from ercfw.results.finished_run import Group

APART = "The columns differ in data or protocol: compare scores within a column, not across columns."


def comparable_tables(
    groups: Sequence[Group],
    split: str,
    quoted: Sequence[Quoted] = (),
    quote: bool = False,
    functions: Mapping[str, Metric] = MappingProxyType({}),
) -> list[ResultTable]:
    """Return one table per target of the first group, of the groups that predict it.

    A note names the groups that do not.

    Args:
        groups: the runs, by variant.
        split: the split whose scores are shown.
        quoted: the scores that plugins quote.
        quote: whether quoted scores of another protocol are shown too, below the runs.
        functions: metrics by name, for the intervals of scores that are no function of sums over conversations.

    Raises:
        InputError: the utterances differ, or a group has no scored target in common with the first.
    """
    made = []
    for target, members in groups_by_target(groups, split).items():
        warnings = check_comparable(members, split, target)
        table = make_table(members, split, target, functions)
        runs = [run for group in members for run in group.runs]
        if others := [group.name for group in groups if group not in members]:
            warnings.append(f"Not in this table, because they do not predict {target}: {', '.join(others)}.")
        made.append(with_quoted(replace(table, notes=[*warnings, *table.notes]), runs, quoted, quote))
    return made


def side_by_side(groups: Sequence[Group], split: str) -> ResultTable:
    """Return a table with one column per recipe, data and protocol, and one row per name of a group (like table 3).

    Raises:
        InputError: a recipe has no scores, or has scores of several targets.
    """
    tables: dict[str, ResultTable] = {}
    for title, members in _by_recipe(groups, split).items():
        found = comparable_tables(members, split)
        if len(found) > 1:
            what = f"has scores of several targets: {', '.join(table.target for table in found)}"
            raise InputError.at(members[0].first.folder, what, "compare it by itself")
        tables[title] = found[0]
    variants = dict.fromkeys(line.name for table in tables.values() for line in table.lines)
    cells = {
        title: {line.name: line.cells[len(table.classes)] for line in table.lines} for title, table in tables.items()
    }
    seeds = {line.name: line.seeds for table in tables.values() for line in table.lines}
    lines = [ResultLine(name, [of_title.get(name) for of_title in cells.values()], seeds[name]) for name in variants]
    stamps = tuple(dict.fromkeys(stamp for table in tables.values() for stamp in table.stamps))
    first = next(iter(tables.values()))
    headings = [f"{title}: {table.metrics[0]}" for title, table in tables.items()]
    protocols = ", ".join(dict.fromkeys(table.protocol for table in tables.values()))
    return ResultTable(
        "Side by side", first.target, split, (), headings, lines, first.reference, protocols, stamps, [APART]
    )


def _by_recipe(groups: Sequence[Group], split: str) -> dict[str, list[Group]]:
    """Collect groups by title and protocol; other data or a repeated name starts a new column."""
    found: dict[str, list[Group]] = {}
    for group in groups:
        metrics, target = group.first.metrics, targets_of([group], split)[0]
        title = f"{metrics.title} ({metrics.protocol})"
        while title in found and not _has_room(found[title], group, split, target):
            title += f", {group.first.folder.parent}"
        found.setdefault(title, []).append(group)
    return found


def _has_room(column: Sequence[Group], group: Group, split: str, target: str) -> bool:
    """Return whether a column has the same data and no line of this name yet."""
    same = column[0].first.answers(split, target).is_of_same(group.first.answers(split, target))
    return same and all(each.name != group.name for each in column)
