"""Draw how well the confidence of a model matches its accuracy."""

import numpy as np
from matplotlib.figure import Figure

from ercfw.report.plots.style import BLUE, GREY
from ercfw.results.comparison.calibration import BINS, Calibration


def draw_calibration(found: Calibration) -> Figure:
    """Draw accuracy by confidence, with the diagonal of a perfectly calibrated model."""
    figure = Figure(figsize=(4.2, 4.8), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    middles = (np.arange(BINS) + 0.5) / BINS
    there = found.counts > 0
    upper.plot([0, 100], [0, 100], color="black", linewidth=0.8, linestyle="--")
    width = 100 / BINS
    upper.bar(100 * middles[there], 100 * found.accuracy[there], width, color=BLUE, edgecolor="white", linewidth=0.5)
    upper.plot(100 * found.confidence[there], 100 * found.accuracy[there], marker="o", linestyle="", color="black")
    upper.set(ylabel="% named rightly", ylim=(0, 100), xlim=(0, 100), title=f"ECE {100 * found.ece:.1f} points")
    lower.bar(100 * middles, found.counts, width, color=GREY, edgecolor="white", linewidth=0.5)
    lower.set(xlabel="probability of the class that was named, %", ylabel="utterances")
    return figure
