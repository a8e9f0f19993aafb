"""Draw the frequency of each class, and its F1 in each run."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ercfw.report.plots.style import COLOURS, INK, MARKERS, SMALL, WIDTH, looks, name_ticks, names_of

HALF = 24
"""Number of letters in half a line of a legend."""


def draw_class_distribution(counts: Mapping[str, Sequence[int]], classes: Sequence[str]) -> Figure:
    """Draw the shares of the classes (figure 2 of the paper), one panel per split.

    Args:
        counts: the number of utterances of each class, by split.
        classes: the C class names.
    """
    figure = Figure(figsize=(WIDTH, 1.2 + 0.26 * len(classes)), layout="constrained")
    panels = figure.subplots(1, len(counts), sharex=True, sharey=True, squeeze=False)[0]
    colours = [look.colour for look in looks(classes)]
    for axes, (split, of_split) in zip(panels, counts.items(), strict=True):
        total = sum(of_split)
        shares = [100 * count / max(1, total) for count in of_split]
        axes.barh(range(len(classes)), shares, color=colours, edgecolor=INK, linewidth=0.4)
        for place, (share, count) in enumerate(zip(shares, of_split, strict=True)):
            axes.text(share + 1, place, f"{count}", va="center", fontsize=SMALL)
        axes.set_title(f"{split}: {total}", fontsize=10)
        axes.margins(x=0.45)
    name_ticks(panels[0], classes)
    panels[0].invert_yaxis()
    figure.supxlabel("% of the labelled utterances", fontsize=10)
    return figure


def draw_class_f1(
    scores: Mapping[str, NDArray[np.float64]], classes: Sequence[str], deviations: Mapping[str, NDArray[np.float64]]
) -> Figure:
    """Draw the F1 of each class, one mark per run; error bars are one standard deviation over seeds.

    The bars end at 0 and 100, as the scores do.

    Args:
        scores: ``[C]`` means by the name of the run, 1 = 100 points.
        classes: the C class names.
        deviations: ``[C]`` standard deviations by the name of the run, if it has several seeds.
    """
    height = 1.6 + len(classes) * (0.25 + 0.13 * len(scores)) + 0.18 * len(scores)
    figure = Figure(figsize=(WIDTH, height), layout="constrained")
    axes = figure.subplots()
    places = np.arange(len(classes))
    for number, (name, values) in enumerate(scores.items()):
        shift = (number - (len(scores) - 1) / 2) * 0.7 / len(scores)
        spread = _within(values, deviations[name]) if name in deviations else None
        axes.errorbar(
            100 * values, places + shift, xerr=spread, fmt=MARKERS[number % len(MARKERS)], markersize=6, capsize=2,
            color=COLOURS[number % len(COLOURS)], markeredgecolor=INK, markeredgewidth=0.5, label=names_of([name])[0],
        )  # fmt: skip
    for between in places[:-1]:
        axes.axhline(between + 0.5, color="black", linewidth=0.3, alpha=0.4)
    name_ticks(axes, classes)
    axes.set(xlabel="F1, points", xlim=(-3, 103), ylim=(len(classes) - 0.5, -0.5))
    if len(scores) > 1:
        columns = 1 if max(map(len, scores)) > HALF else 2
        legend = figure.legend(loc="outside lower center", ncols=columns, frameon=False, fontsize=SMALL)
        for text in legend.get_texts():
            text.set_parse_math(False)
    return figure


def _within(values: NDArray[np.float64], deviations: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the lengths of error bars to the left and right, in points: ``[2, C]``."""
    return 100 * np.stack([np.minimum(deviations, values), np.minimum(deviations, 1 - values)])
