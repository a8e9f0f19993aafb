"""A comparison of finished runs: the tables that ``ercfw compare`` prints and writes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ercfw.errors import InputError, did_you_mean
from ercfw.registry.catalog import load_catalog
from ercfw.report.result_tables import write_tables
from ercfw.results.comparison.agreement import PairAgreement, pair_agreements, write_right
from ercfw.results.comparison.comparability import groups_by_target
from ercfw.results.comparison.compare import comparable_tables, side_by_side
from ercfw.results.comparison.reported_scores import find_quoted
from ercfw.results.comparison.result_table import ResultTable
from ercfw.results.finished_run import Group
from ercfw.results.score_table import known_metrics
from ercfw.system.user_folders import user_path


@dataclass(frozen=True)
class Comparison:
    """Finished runs set against each other.

    Attributes:
        groups: the runs, by variant.
        split: the split whose scores are compared.
        tables: one per target.
        pairs: for each two variants, how many utterances both, one or neither of them gets right; empty side by side.
        warnings: plugins whose reported scores could not be read.
    """

    groups: Sequence[Group]
    split: str
    tables: Sequence[ResultTable]
    pairs: Sequence[PairAgreement]
    warnings: Sequence[str]

    def write(self, folder: str | Path) -> None:
        """Write ``comparison.md``, ``.tex`` and ``.csv``; and ``utterances.csv`` where the data is the same.

        ``utterances.csv`` is of the first table's target.
        """
        folder = user_path(folder)
        write_tables(folder, "comparison", self.tables)
        if self.pairs:
            target = self.tables[0].target
            members = groups_by_target(self.groups, self.split)[target]
            write_right(folder / "utterances.csv", members, self.split, target)

    def _repr_html_(self) -> str:
        """Return the tables as HTML, for notebooks."""
        return "".join(table._repr_html_() for table in self.tables)


def compare_groups(
    groups: Sequence[Group],
    split: str,
    apart: bool,
    columns: Sequence[str] = (),
    names: Mapping[str, str] | None = None,
    quote: bool = False,
) -> Comparison:
    """Compare variants on one split.

    Args:
        groups: the finished runs, by variant.
        split: ``test`` or ``dev``.
        apart: whether each recipe has a column of its own, so that data and protocols may differ.
        columns: the score columns of the tables; all by default; not with ``apart``.
        names: new names of lines, by their old ones.
        quote: whether quoted scores of another protocol are shown too, below the runs.

    Raises:
        InputError: there is only one variant, the runs cannot be compared, there is no such column or line, or
            ``apart`` is set with ``quote`` or ``columns``.
    """
    if apart and quote:
        raise InputError.at("quote", "a table side by side has no quoted rows", "leave out one of the two")
    if apart and columns:
        raise InputError.at("columns", "a table side by side has a column per recipe", "leave out one of the two")
    groups = _renamed(groups, names or {}, apart)
    if len(groups) < 2:
        where = groups[0].first.folder.parent if groups else "runs"
        raise InputError.at(where, "holds the runs of one variant only", "name another folder to compare it with")
    if apart:
        table = side_by_side(groups, split)
        return Comparison(groups, split, [table], [], [])
    catalog = load_catalog()
    quoted, failures = find_quoted(catalog)
    tables = comparable_tables(groups, split, quoted, quote, known_metrics(groups[0].first, catalog))
    if columns:
        tables = [table.with_columns(columns) for table in tables]
    target = tables[0].target
    is_number = groups[0].first.answers(split, target).kind == "regression"  # which is never quite right
    pairs = [] if is_number else pair_agreements(groups_by_target(groups, split)[target], split, target)
    return Comparison(groups, split, tables, pairs, failures)


def _renamed(groups: Sequence[Group], names: Mapping[str, str], apart: bool) -> list[Group]:
    """Return the groups under new names; in tables with a column for each recipe, lines have the names of variants."""
    old = [group.first.metrics.variant if apart else group.name for group in groups]
    for name in names:
        if name not in old:
            raise InputError.at("names", f"there is no line '{name}'", did_you_mean(name, old))
    new = [names.get(name, name) for name in old]
    if not apart and (twice := next((name for name in new if new.count(name) > 1), None)):
        raise InputError.at("names", f"two lines would be named '{twice}'")
    return [replace(group, name=name) for group, name in zip(groups, new, strict=True)]
