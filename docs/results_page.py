"""Fill the tables of results in the README and in ``docs/results.md`` from finished runs.

    python docs/results_page.py runs
    python docs/results_page.py runs --table mosi

``docs/results.toml`` says which runs make which table. A table stands between ``<!-- results: NAME -->`` and
``<!-- end -->``; everything else on the pages is written by hand.
"""

import argparse
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ercfw.errors import InputError
from ercfw.report.compare import compare_groups
from ercfw.report.markdown import markdown_table
from ercfw.results.comparison.result_table import ResultLine, ResultTable
from ercfw.results.finished_run import Group, find_groups
from ercfw.results.points import MISSING, difference, interval, p_value

CHECKOUT = Path(__file__).resolve().parents[1]
SETTINGS = CHECKOUT / "docs" / "results.toml"
PAGES = (CHECKOUT / "README.md", CHECKOUT / "docs" / "results.md")


@dataclass(frozen=True)
class Part:
    """Lines of a table that are compared with each other.

    Attributes:
        corpus: what stands in the first column.
        lines: the folder of each line's runs, below the folder of all runs, by the name of the line; the first one is
            the reference.
        target: the target that is scored.
        metrics: the scores to show; the first one chose the epochs, and is that of the differences.
    """

    corpus: str
    lines: Mapping[str, str]
    target: str
    metrics: Sequence[str]


def read_parts(settings: Path) -> dict[str, list[Part]]:
    """Return the parts of each table."""
    tables = tomllib.loads(settings.read_text(encoding="utf-8"))
    return {name: [Part(**part) for part in parts] for name, parts in tables.items()}


def table_of(parts: Sequence[Part], runs: Path) -> list[str]:
    """Return the lines of a table in Markdown: scores on test, the first one also on dev, differences and time.

    Raises:
        InputError: runs are missing, or cannot be compared.
    """
    metrics = list(dict.fromkeys(name for part in parts for name in part.metrics))
    first = " or ".join(dict.fromkeys(part.metrics[0] for part in parts))
    header = ["Corpus", "Model", "Seeds", *metrics, f"{first} on dev", "Difference [95 %], p", "Minutes"]
    return markdown_table(header, (row for part in parts for row in _rows(part, runs, metrics)))


def _rows(part: Part, runs: Path, metrics: Sequence[str]) -> Iterator[list[str]]:
    groups = [_group(name, runs / folder) for name, folder in part.lines.items()]
    test, dev = (_table(groups, split, part.target) for split in ("test", "dev"))
    corpus = part.corpus
    for line, on_dev in zip(test.lines, dev.lines, strict=True):
        scores = [_score(test, line, metric) for metric in metrics]
        minutes = MISSING if line.seconds is None else f"{line.seconds / 60:.1f}"
        chosen = _score(dev, on_dev, part.metrics[0])
        yield [corpus, line.name, str(line.seeds), *scores, chosen, _difference(test, line), minutes]
        corpus = ""


def _group(name: str, folder: Path) -> Group:
    groups = find_groups([folder])
    if len(groups) != 1:
        raise InputError.at(folder, f"holds the runs of {len(groups)} variants", "name the folder of one")
    return replace(groups[0], name=name)


def _table(groups: Sequence[Group], split: str, target: str) -> ResultTable:
    tables = compare_groups(groups, split, apart=False).tables
    return next(table for table in tables if table.target == target)


def _score(table: ResultTable, line: ResultLine, metric: str) -> str:
    cell = line.cells[table.columns.index(metric)] if metric in table.columns else None
    return MISSING if cell is None else cell.shown(table.scale(metric))


def _difference(table: ResultTable, line: ResultLine) -> str:
    if line.difference is None:
        return MISSING
    scale, found = table.main_scale, line.difference
    return f"{difference(found.value, scale)} {interval(found.low, found.high, scale, signed=True)}, {p_value(found.p)}"


def fill(page: str, name: str, table: Sequence[str]) -> str:
    """Return a page with a table in the place of this name, if it has such a place."""
    place = rf"(<!-- results: {re.escape(name)} -->\n).*?(<!-- end -->)"
    rows = "".join(f"{line}\n" for line in table)
    # Markdown reads no table right below a comment.
    return re.sub(place, lambda found: f"{found[1]}\n{rows}\n{found[2]}", page, flags=re.DOTALL)


def main() -> None:
    """Fill the tables that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="the folder of all runs")
    parser.add_argument("--table", action="append", help="the name of a table; repeatable; by default all")
    arguments = parser.parse_args()
    parts = read_parts(SETTINGS)
    for name in arguments.table or parts:
        table = table_of(parts[name], arguments.runs)
        print(name, *table, sep="\n")
        for page in PAGES:
            page.write_text(fill(page.read_text(encoding="utf-8"), name, table), encoding="utf-8")


if __name__ == "__main__":
    main()
