"""Draw the predictions for one utterance from each modality alone and from all, with the true class."""

from collections.abc import Mapping, Sequence
from textwrap import fill

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ercfw.errors import shown
from ercfw.report.plots.style import INK, looks, name_ticks, names_of

ACROSS = 4
LONGEST_NAME, WIDTH = 40, 24
"""Maximum number of characters of a name above a panel, and of each of its lines."""


def draw_case(predictions: Mapping[str, NDArray[np.float64]], classes: Sequence[str], true: int | None) -> Figure:
    """Draw one panel per prediction (figure 1 of the paper).

    A panel shows the probabilities. The highest is in full colour, and the true class has a star.

    Args:
        predictions: ``[C]`` probabilities by name: of each modality alone, of all modalities, or of several runs.
        classes: the C class names.
        true: the number of the true class; None without a label.
    """
    across = min(ACROSS, len(predictions))
    down = -(-len(predictions) // across)
    beside = 0.08 * max(map(len, names_of(classes)))
    figure = Figure(
        figsize=(0.6 + beside + 2.2 * across, 0.9 + down * (1.2 + 0.24 * len(classes))), layout="constrained"
    )
    panels = list(figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).flat)
    colours = [look.colour for look in looks(classes)]
    for axes, (name, probabilities) in zip(panels, predictions.items(), strict=False):
        best = int(probabilities.argmax())
        bars = axes.barh(range(len(classes)), 100 * probabilities, color=colours, edgecolor=INK, linewidth=0.4)
        for number, bar in enumerate(bars):
            bar.set_alpha(1.0 if number == best else 0.45)
        if true is not None:
            axes.plot([100 * probabilities[true] + 6], [true], marker="*", color="black", markersize=9)
        verdict = "" if true is None else (" ✓" if best == true else " ✗")
        named = fill(shown(classes[best], LONGEST_NAME), WIDTH)
        title = f"{fill(shown(name, LONGEST_NAME), WIDTH)}\n{named} {100 * probabilities[best]:.0f} %{verdict}"
        axes.set_title(title, fontsize=9, parse_math=False)
        axes.set(xlim=(0, 115), xticks=(0, 50, 100))
    for axes in panels[len(predictions) :]:
        axes.remove()
    for axes in panels[::across]:
        name_ticks(axes, classes)
    panels[0].invert_yaxis()
    return figure
