"""A comparison of finished runs: the tables that ``ercfw compare`` prints and writes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ercfw.errors import InputError
from ercfw.registry.catalog import load_catalog
from ercfw.report.result_tables import write_tables
from ercfw.results.comparison.agreement import PairAgreement, pair_agreements, write_right
from ercfw.results.comparison.compare import comparable_tables, side_by_side
from ercfw.results.comparison.reported_scores import find_quoted
from ercfw.results.comparison.result_table import ResultTable
from ercfw.results.finished_run import Group


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
        """Write ``comparison.md``, ``.tex`` and ``.csv``; and ``utterances.csv`` where the data is the same."""
        folder = Path(folder)
        write_tables(folder, "comparison", self.tables)
        if self.pairs:
            write_right(folder / "utterances.csv", self.groups, self.split, self.tables[0].target)

    def _repr_html_(self) -> str:
        """Return the tables as HTML, for notebooks."""
        return "".join(table._repr_html_() for table in self.tables)


def compare_groups(groups: Sequence[Group], split: str, apart: bool) -> Comparison:
    """Compare variants on one split.

    Args:
        groups: the finished runs, by variant.
        split: ``test`` or ``dev``.
        apart: whether each recipe has a column of its own, so that data and protocols may differ.

    Raises:
        InputError: there is only one variant, or the runs cannot be compared.
    """
    if len(groups) < 2:
        where = groups[0].first.folder.parent if groups else "runs"
        raise InputError.at(where, "holds the runs of one variant only", "name another folder to compare it with")
    if apart:
        return Comparison(groups, split, [side_by_side(groups, split)], [], [])
    quoted, failures = find_quoted(load_catalog())
    tables = comparable_tables(groups, split, quoted)
    return Comparison(groups, split, tables, pair_agreements(groups, split, tables[0].target), failures)
