"""Draw which utterances an utterance attends to."""

import re
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ercfw.errors import shown

LONGEST_TEXT = 60
"""Maximum number of characters of an utterance at the axis."""
ACROSS = 6


def readable_name(name: str) -> str:
    """Return a readable name: ``fusion, layer 1, text → audio`` for ``fusion.layer-1.text.audio``."""
    *where, query, key = name.split(".")
    if key.startswith("layer-") or not where:
        where, pair = [*where, query, key], ""
    else:
        pair = f"{query} → {key}"
    return ", ".join([*(part.replace("layer-", "layer ") for part in where), *([pair] if pair else [])])


def _layer(name: str) -> int:
    found = re.search(r"\blayer-(\d+)", name)
    return int(found[1]) if found else 0


def draw_attention(weights: Mapping[str, NDArray[np.float32]], utterances: Sequence[str], chosen: int) -> Figure:
    """Draw heat maps of one utterance (figure 6 of the paper).

    There is one panel per map, one column per head and one row per utterance.

    Args:
        weights: ``[H, U]`` of each map, over the utterances of the conversation.
        utterances: U lines, each with the speaker and the text.
        chosen: the index of the utterance whose attention is drawn, from 0.
    """
    weights = dict(sorted(weights.items(), key=lambda item: _layer(item[0])))
    most = max(float(of_map.max()) for of_map in weights.values())
    across = min(ACROSS, len(weights))
    down = -(-len(weights) // across)
    lines = [shown(line, LONGEST_TEXT) for line in utterances]
    size = (2.5 + 0.055 * max(map(len, lines)) + 1.35 * across, down * (1.3 + 0.2 * len(lines)))
    figure = Figure(figsize=size, layout="constrained")
    panels = list(figure.subplots(down, across, sharex=True, sharey=True, squeeze=False).flat)
    image = None
    for axes, (name, of_map) in zip(panels, weights.items(), strict=False):
        image = axes.imshow(of_map.T, cmap="Purples", vmin=0, vmax=most, aspect="auto")
        axes.set_title("\n".join(readable_name(name).split(", ")), fontsize=8, parse_math=False)
        axes.set_xticks(range(len(of_map)), [str(head) for head in range(1, len(of_map) + 1)], fontsize=7)
        axes.set_xlabel("head", fontsize=8)
        axes.axhline(chosen - 0.5, color="black", linewidth=0.6)
        axes.axhline(chosen + 0.5, color="black", linewidth=0.6)
    for axes in panels[len(weights) :]:
        axes.remove()
    for axes in panels[::across]:
        axes.set_yticks(range(len(lines)), lines, fontsize=8, parse_math=False)
        axes.get_yticklabels()[chosen].set_fontweight("bold")
    if image is not None:
        figure.colorbar(image, ax=panels[: len(weights)], label="attention weight", fraction=0.02)
    return figure
