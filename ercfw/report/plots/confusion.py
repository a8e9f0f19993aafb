"""Draw a confusion matrix."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ercfw.report.plots.style import INK, SMALL, name_ticks, names_of

MOST_CLASSES = 60
"""Maximum number of classes of a picture."""


def draw_confusion(counts: NDArray[np.float64], classes: Sequence[str]) -> Figure:
    """Draw the counts in cells that are shaded by their share of the true class.

    Args:
        counts: ``[C, C]``; rows are true classes, and columns are predicted classes.
        classes: the C class names.
    """
    longest = max(map(len, names_of(classes)))
    size = 3.2 + 0.4 * len(classes) + 0.07 * longest
    figure = Figure(figsize=(size, size * 0.9), layout="compressed")
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    name_ticks(axes, classes, across=True)
    name_ticks(axes, classes)
    axes.set(xlabel="predicted", ylabel="true")
    for true in range(len(classes)):
        for predicted in range(len(classes)):
            shade = "white" if shares[true, predicted] > 0.5 else INK
            text = f"{counts[true, predicted]:g}"
            axes.text(predicted, true, text, ha="center", va="center", color=shade, fontsize=SMALL)
    figure.colorbar(image, label="share of the true class", fraction=0.046)
    return figure
