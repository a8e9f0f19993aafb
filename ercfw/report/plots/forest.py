"""Draw the main score of several variants with its intervals, and the controls."""

from collections.abc import Mapping, Sequence
from itertools import cycle
from textwrap import fill

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ercfw.report.plots.style import BLUE, GREY, INK, VERMILION, WIDTH, names_of
from ercfw.results.comparison.result_table import Cell, ResultTable

LETTERS = 22
"""Maximum number of letters of a line of a variant's name."""
ROOM = 0.06
"""Share of the range of scores that is left free on either side."""


def draw_forest(table: ResultTable, controls: Mapping[str, float]) -> Figure:
    """Draw one row per variant: the mean of its first metric, and the 95 % interval if it has one.

    A line leads down from the reference, for comparison, and one from each control.

    Args:
        table: the scores.
        controls: other scores by their names, such as that of the majority class.
    """
    place = len(table.classes)
    unit = 100 if table.main_scale.in_points else 1
    lines = [(line, cell) for line in table.lines if (cell := line.cells[place]) is not None]
    names = [fill(name, LETTERS) for name in names_of([line.name for line, _ in lines])]
    height = sum(0.16 + 0.17 * (1 + name.count("\n")) for name in names)
    figure = Figure(figsize=(WIDTH, 0.9 + height + 0.2 * len(controls)), layout="constrained")
    axes = figure.subplots()
    for row, (line, cell) in enumerate(lines):
        _draw_row(axes, row, cell, GREY if line.is_quoted else BLUE, unit)
    reference = next((cell for line, cell in lines if line.name == table.reference and not line.is_quoted), None)
    if reference is not None and len(lines) > 1:
        axes.axvline(unit * reference.mean, color="black", linewidth=0.6, linestyle="--", zorder=0)
    for (name, value), dashes in zip(controls.items(), cycle((":", "-.")), strict=False):
        label = f"{name} {100 * value:.1f}" if unit == 100 else f"{name} {value:.3f}"
        axes.axvline(unit * value, color=VERMILION, linestyle=dashes, linewidth=1.2, label=label)
    axes.set_yticks(range(len(lines)), names, parse_math=False)
    ends = [end for _, cell in lines for end in (cell.interval or (cell.mean, cell.mean))] + list(controls.values())
    axes.set(ylim=(len(lines) - 0.4, -0.6), xlabel=_heading(table), xlim=_limits([unit * end for end in ends], unit))
    if controls:
        for text in figure.legend(loc="outside lower center", frameon=False).get_texts():
            text.set_parse_math(False)
    return figure


def _heading(table: ResultTable) -> str:
    """Return the name of the axis."""
    scale = table.main_scale
    return table.metrics[0] + (", points" if scale.in_points else "") + (" (lower is better)" * scale.lower_is_better)


def _draw_row(axes: Axes, row: int, cell: Cell, colour: str, unit: int) -> None:
    low, high = cell.interval or (cell.mean, cell.mean)
    reach = [[unit * (cell.mean - low)], [unit * (high - cell.mean)]]
    axes.errorbar(
        [unit * cell.mean], [row], xerr=reach if cell.interval else None, fmt="o", markersize=6, capsize=3,
        color=colour, ecolor=colour, markeredgecolor=INK, markeredgewidth=0.5,
    )  # fmt: skip


def _limits(ends: Sequence[float], unit: int) -> tuple[float, float]:
    """Return the limits of the axis: around all ends, and of points within 0 and 100 if the scores are."""
    low, high = min(ends), max(ends)
    room = max(unit / 100, ROOM * (high - low))
    if unit == 1:
        return low - room, high + room
    return max(-1.0, low - room) if low >= 0 else low - room, min(101.0, high + room) if high <= 100 else high + room
