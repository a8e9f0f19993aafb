"""Draw how well the confidence of a model matches its accuracy."""

import numpy as np
from matplotlib.figure import Figure

from ercfw.report.plots.style import BLUE, GREY, WIDTH
from ercfw.results.comparison.calibration import BINS, Calibration


def draw_calibration(found: Calibration) -> Figure:
    """Draw accuracy by confidence; a perfectly calibrated model is on the diagonal."""
    figure = Figure(figsize=(WIDTH, 4.6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    middles = (np.arange(BINS) + 0.5) / BINS
    filled = found.counts > 0
    upper.plot([0, 100], [0, 100], color="black", linewidth=0.8, linestyle="--")
    width = 100 / BINS
    upper.bar(100 * middles[filled], 100 * found.accuracy[filled], width, color=BLUE, edgecolor="white", linewidth=0.5)
    upper.plot(100 * found.confidence[filled], 100 * found.accuracy[filled], marker="o", linestyle="", color="black")
    upper.set(ylabel="accuracy, %", ylim=(0, 100), xlim=(0, 100), title=f"ECE {100 * found.ece:.1f} points")
    lower.bar(100 * middles, found.counts, width, color=GREY, edgecolor="white", linewidth=0.5)
    lower.set(xlabel="confidence: probability of the prediction, %", ylabel="utterances")
    return figure
