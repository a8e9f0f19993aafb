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
        controls: other scores by their names, such as that of the majority class; 1 = 100 points.
    """
    place, metric = len(table.classes), table.metrics[0]
    lines = [(line, cell) for line in table.lines if (cell := line.cells[place]) is not None]
    names = [fill(name, LETTERS) for name in names_of([line.name for line, _ in lines])]
    height = sum(0.16 + 0.17 * (1 + name.count("\n")) for name in names)
    figure = Figure(figsize=(WIDTH, 0.9 + height + 0.2 * len(controls)), layout="constrained")
    axes = figure.subplots()
    for row, (line, cell) in enumerate(lines):
        _draw_row(axes, row, cell, GREY if line.is_quoted else BLUE)
    reference = next((cell for line, cell in lines if line.name == table.reference and not line.is_quoted), None)
    if reference is not None and len(lines) > 1:
        axes.axvline(100 * reference.mean, color="black", linewidth=0.6, linestyle="--", zorder=0)
    for (name, value), dashes in zip(controls.items(), cycle((":", "-.")), strict=False):
        axes.axvline(100 * value, color=VERMILION, linestyle=dashes, linewidth=1.2, label=f"{name} {100 * value:.1f}")
    axes.set_yticks(range(len(lines)), names, parse_math=False)
    ends = [end for _, cell in lines for end in (cell.interval or (cell.mean, cell.mean))] + list(controls.values())
    axes.set(ylim=(len(lines) - 0.4, -0.6), xlabel=f"{metric}, points", xlim=_limits(ends))
    if controls:
        for text in figure.legend(loc="outside lower center", frameon=False).get_texts():
            text.set_parse_math(False)
    return figure


def _draw_row(axes: Axes, row: int, cell: Cell, colour: str) -> None:
    low, high = cell.interval or (cell.mean, cell.mean)
    reach = [[100 * (cell.mean - low)], [100 * (high - cell.mean)]]
    axes.errorbar(
        [100 * cell.mean], [row], xerr=reach if cell.interval else None, fmt="o", markersize=6, capsize=3,
        color=colour, ecolor=colour, markeredgecolor=INK, markeredgewidth=0.5,
    )  # fmt: skip


def _limits(ends: Sequence[float]) -> tuple[float, float]:
    """Return the limits of the axis, in points: around all ends, and within 0 and 100 if the scores are."""
    low, high = 100 * min(ends), 100 * max(ends)
    room = max(1.0, ROOM * (high - low))
    return max(-1.0, low - room) if low >= 0 else low - room, min(101.0, high + room) if high <= 100 else high + room
