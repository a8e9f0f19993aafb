"""Draw predicted numbers against true ones, their residuals, and their calibration."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ercfw.report.plots.style import BLUE, GREY, INK, VERMILION, WIDTH

Numbers = NDArray[np.float64]
MOST_POINTS = 5000
"""Maximum number of points of a scatter plot; of more, every n-th is drawn."""
GROUPS = 10
"""Number of groups of equal size into which the predictions are divided."""


def draw_numbers(true: Numbers, predicted: Numbers, names: Sequence[str]) -> Figure:
    """Draw a row per number: predicted by true, and the residual (predicted minus true) by predicted.

    Args:
        true: ``[N, C]``.
        predicted: ``[N, C]``.
        names: the names of the C numbers.
    """
    figure = Figure(figsize=(WIDTH, 0.4 + 3.2 * len(names)), layout="constrained")
    panels = figure.subplots(len(names), 2, squeeze=False)
    step = -(-len(true) // MOST_POINTS)
    for (left, right), name, t, p in zip(panels, names, true.T, predicted.T, strict=True):
        ends = [min(t.min(), p.min()), max(t.max(), p.max())]
        left.plot(ends, ends, color=INK, linewidth=0.8, linestyle="--")
        left.scatter(t[::step], p[::step], s=8, color=BLUE, alpha=0.4, linewidths=0)
        left.set(xlabel=f"true {name}", ylabel=f"predicted {name}")
        right.axhline(0, color=INK, linewidth=0.8, linestyle="--")
        right.scatter(p[::step], (p - t)[::step], s=8, color=GREY, alpha=0.5, linewidths=0)
        right.set(xlabel=f"predicted {name}", ylabel="predicted minus true")
        _plain_labels(left, right)
    return figure


def draw_number_calibration(true: Numbers, predicted: Numbers, names: Sequence[str]) -> Figure:
    """Draw a panel per number: the mean true number of groups of utterances with similar predictions.

    The groups have the same size. A model whose numbers are right on average at every height is on the diagonal.

    Args:
        true: ``[N, C]``.
        predicted: ``[N, C]``.
        names: the names of the C numbers.
    """
    figure = Figure(figsize=(WIDTH, 0.4 + 3.4 * len(names)), layout="constrained")
    panels = figure.subplots(len(names), 1, squeeze=False)[:, 0]
    for axes, name, t, p in zip(panels, names, true.T, predicted.T, strict=True):
        order = np.argsort(p, kind="stable")
        groups = [group for group in np.array_split(order, GROUPS) if len(group)]
        of_predicted = np.array([p[group].mean() for group in groups])
        of_true = np.array([t[group].mean() for group in groups])
        spread = np.array([t[group].std() for group in groups])
        ends = [min(of_predicted.min(), of_true.min()), max(of_predicted.max(), of_true.max())]
        axes.plot(ends, ends, color=INK, linewidth=0.8, linestyle="--")
        axes.errorbar(of_predicted, of_true, yerr=spread, fmt="o", color=VERMILION, ecolor=GREY, capsize=2)
        axes.set(
            xlabel=f"mean predicted {name} of each tenth of the utterances",
            ylabel=f"true {name}: mean and deviation",
        )
        _plain_labels(axes)
    return figure


def _plain_labels(*panels: Axes) -> None:
    """Show names as they are: TeX signs in them are no formula."""
    for axes in panels:
        axes.xaxis.label.set_parse_math(False)
        axes.yaxis.label.set_parse_math(False)
