"""Render a table of results for the terminal and as Markdown and CSV; scores in points (0 to 100)."""

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from ercfw.contract.metric import Scale
from ercfw.errors import shown
from ercfw.report.blocks import Bullets, Grid, Section
from ercfw.report.latex_table import as_latex
from ercfw.report.markdown import section_lines
from ercfw.results.comparison.result_table import Cell, ResultLine, ResultTable
from ercfw.results.comparison.significance import Difference
from ercfw.results.points import MISSING, difference, interval, p_value
from ercfw.system.files import write_text

QUOTED = "quoted"
SHOWN = {"f1": "F1", "label-f1": "F1", "ccc-each": "CCC"}
"""The metrics of the columns per class, label or number, as readers know them."""


def _score(cell: Cell | None, scale: Scale) -> str:
    return cell.shown(scale) if cell is not None else MISSING


def _difference(found: Difference | None, scale: Scale) -> str:
    if found is None:
        return ""
    return f"{difference(found.value, scale)} {interval(found.low, found.high, scale, signed=True)} {p_value(found.p)}"


def _interval(cell: Cell | None, scale: Scale) -> str:
    return interval(*cell.interval, scale) if cell is not None and cell.interval is not None else ""


def _costs(line: ResultLine) -> list[str]:
    return [
        QUOTED if line.is_quoted else str(line.seeds),
        f"{line.parameters / 1e6:.2f} M" if line.parameters is not None else "",
        f"{line.seconds:.0f} s" if line.seconds is not None else "",
        f"{line.megabytes:.0f} MB" if line.megabytes is not None else "",
    ]


COSTS = ("seeds", "parameters", "time", "memory")


def _inference_columns(table: ResultTable) -> dict[str, list[str]]:
    """Return the headings and cells of the selected score's intervals and differences; without those that are empty."""
    selected = [line.cells[len(table.classes)] if table.metrics else None for line in table.lines]
    return _filled(
        {
            "95 % interval": [_interval(cell, table.main_scale) for cell in selected],
            f"difference from {table.reference}": [
                _difference(line.difference, table.main_scale) for line in table.lines
            ],
        }
    )


def _cost_columns(table: ResultTable) -> dict[str, list[str]]:
    by_line = [_costs(line) for line in table.lines]
    return _filled({name: [costs[place] for costs in by_line] for place, name in enumerate(COSTS)})


def _filled(columns: dict[str, list[str]]) -> dict[str, list[str]]:
    return {heading: cells for heading, cells in columns.items() if any(cells)}


def _title(table: ResultTable) -> str:
    stamps = "".join(f" [{stamp}]" for stamp in table.stamps)
    return f"{table.title}: {table.target}, {table.split}{stamps}"


def in_terminal(table: ResultTable) -> list[Table]:
    """Return tables for the terminal, with the best scores in bold.

    They are: the score per class; the single-number scores with their differences; the costs. Rules separate quoted
    rows.
    """
    split = len(table.classes)
    by_class = _console_table(table, table.classes, [line.cells[:split] for line in table.lines], {})
    scores = [line.cells[split:] for line in table.lines]
    whole = _console_table(table, table.metrics, scores, _inference_columns(table))
    costs = _console_table(table, (), [()] * len(table.lines), _cost_columns(table))
    return [*([by_class] if table.classes else []), whole, costs]


def _console_table(
    table: ResultTable,
    headings: Sequence[str],
    scores: Sequence[Sequence[Cell | None]],
    others: Mapping[str, Sequence[str]],
) -> Table:
    printed = Table(title=Text(shown(_title(table))), box=box.SIMPLE_HEAD, title_style="bold")
    printed.add_column("")
    for heading in (*headings, *others):
        printed.add_column(Text(shown(heading)), justify="right", overflow="fold")
    for number, (line, cells) in enumerate(zip(table.lines, scores, strict=True)):
        more = [column[number] for column in others.values()]
        styled = [
            Text(_score(cell, table.scale(name)), style="bold" if cell is not None and cell.is_best else "")
            for name, cell in zip(headings, cells, strict=True)
        ]
        after = table.lines[number + 1] if number + 1 < len(table.lines) else line
        printed.add_row(Text(shown(line.name)), *styled, *more, end_section=line.is_quoted != after.is_quoted)
    return printed


def as_section(table: ResultTable) -> Section:
    """Return the table and its notes; the title of the section holds the stamps."""
    grid = _grid(table, range(len(table.columns)), _inference_columns(table) | _cost_columns(table))
    return Section(_title(table), [grid, Bullets(table.all_notes)])


def in_parts(table: ResultTable) -> tuple[Grid, Grid, Grid]:
    """Return the scores of one number with their intervals and differences, those per class, and the costs."""
    split = len(table.classes)
    whole = _grid(table, range(split, len(table.columns)), _inference_columns(table), "variant")
    by_class = _grid(table, range(split), {}, f"{SHOWN.get(table.each, table.each)} per {table.target}")
    return whole, by_class, _grid(table, (), _cost_columns(table), "variant")


def _grid(table: ResultTable, places: Sequence[int], others: Mapping[str, Sequence[str]], corner: str = "") -> Grid:
    """Return the score columns at these places, and other columns; without any column, no rows."""
    headings = [table.columns[place] for place in places]
    rows = [
        [
            line.name,
            *(_score(line.cells[place], table.scale(table.columns[place])) for place in places),
            *(column[number] for column in others.values()),
        ]
        for number, line in enumerate(table.lines)
    ]
    best = frozenset(
        (y, x)
        for y, line in enumerate(table.lines)
        for x, place in enumerate(places, 1)
        if (cell := line.cells[place]) is not None and cell.is_best
    )
    return Grid([corner, *headings, *others], rows if headings or others else [], best)


def as_markdown(table: ResultTable) -> str:
    """Return the table as a section in Markdown."""
    return "\n".join(section_lines(as_section(table)))


def as_csv(table: ResultTable) -> str:
    """Return one row per line and score, unrounded; of a share, 1 = 100 points.

    ``mean_low`` and ``mean_high`` are the 95 % interval of the mean. Rows of the first metric also hold the difference
    from the reference, its simultaneous interval and its p-value.
    """
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    header = ["target", "split", "line", "seeds", "score", "mean", "deviation", "mean_low", "mean_high", "best"]
    writer.writerow([*header, "difference", "low", "high", "p", *COSTS[1:], "stamps"])
    for line in table.lines:
        costs = [line.parameters, line.seconds, line.megabytes, ", ".join(table.stamps)]
        for place, (column, cell) in enumerate(zip(table.columns, line.cells, strict=True)):
            found = line.difference if place == len(table.classes) else None
            numbers = [found.value, found.low, found.high, found.p] if found is not None else [None] * 4
            low, high = cell.interval if cell is not None and cell.interval is not None else (None, None)
            score = [cell.mean, cell.deviation, low, high, cell.is_best] if cell is not None else [None] * 5
            seeds = QUOTED if line.is_quoted else line.seeds
            writer.writerow([table.target, table.split, line.name, seeds, column, *score, *numbers, *costs])
    return written.getvalue()


def record(table: ResultTable) -> dict[str, Any]:
    """Return the table for JSON: unrounded numbers (of a share, 1 = 100 points) and their meaning."""
    return {**asdict(table), "meaning": table.meaning}


def write_tables(folder: Path, name: str, tables: Sequence[ResultTable]) -> list[Path]:
    """Write all tables to ``NAME.md``, ``NAME.tex`` and ``NAME.csv``; return the paths."""
    formats = {"md": as_markdown, "tex": as_latex, "csv": as_csv}
    written = []
    for ending, render in formats.items():
        path = folder / f"{name}.{ending}"
        write_text(path, "\n".join(render(table) for table in tables))
        written.append(path)
    return written
