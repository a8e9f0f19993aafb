"""Draw how well the confidence of a model matches its accuracy."""

from collections.abc import Mapping

import numpy as np
from matplotlib.figure import Figure

from ercfw.contract.targets import TargetKind
from ercfw.report.plots.style import BLUE, GREY, WIDTH
from ercfw.results.comparison.calibration import BINS, Calibration

AXES: Mapping[TargetKind, tuple[str, str, str]] = {
    "classes": ("accuracy, %", "confidence: probability of the prediction, %", "utterances"),
    "multilabel": ("true, %", "probability of a label, %", "labels"),
}


def draw_calibration(found: Calibration, kind: TargetKind = "classes") -> Figure:
    """Draw accuracy by confidence, or the share of true labels by probability; perfect calibration is the diagonal."""
    accuracy, confidence, counted = AXES[kind]
    figure = Figure(figsize=(WIDTH, 4.6), layout="constrained")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
    middles = (np.arange(BINS) + 0.5) / BINS
    filled = found.counts > 0
    upper.plot([0, 100], [0, 100], color="black", linewidth=0.8, linestyle="--")
    width = 100 / BINS
    upper.bar(100 * middles[filled], 100 * found.accuracy[filled], width, color=BLUE, edgecolor="white", linewidth=0.5)
    upper.plot(100 * found.confidence[filled], 100 * found.accuracy[filled], marker="o", linestyle="", color="black")
    upper.set(ylabel=accuracy, ylim=(0, 100), xlim=(0, 100), title=f"ECE {100 * found.ece:.1f} points")
    lower.bar(100 * middles, found.counts, width, color=GREY, edgecolor="white", linewidth=0.5)
    lower.set(xlabel=confidence, ylabel=counted)
    return figure
