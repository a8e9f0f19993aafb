"""Draw embeddings in 2D, before and after training."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from ercfw.contract.conversation import UNLABELLED
from ercfw.report.plots.style import INK, SMALL, WIDTH, looks, names_of

MOST_POINTS = 3000
"""Maximum number of points of a panel; if there are more, a fixed random sample of this size is drawn."""
WIDEST = 50
"""Maximum width of the inputs of t-SNE; wider ones are first reduced to this many principal components."""
PERPLEXITY = 30.0
COLUMNS = 3
"""Maximum number of columns of the legend."""
MARKER, LETTER = 0.45, 0.09
"""Approximate width of a marker with its margins, and of a letter of the legend, in inches."""


def project(embeddings: NDArray[np.float32]) -> NDArray[np.float64]:
    """Project ``[N, E] -> [N, 2]`` by t-SNE (van der Maaten and Hinton, 2008), deterministically."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    x = embeddings.astype(np.float64)  # [N, E]
    x = x[:, x.std(0) > 0]
    fewest = min(x.shape)
    if fewest < 2 or len(np.unique(x, axis=0)) < 4:  # too few points for t-SNE
        return np.pad(x[:, :2], ((0, 0), (0, 2 - min(2, x.shape[1]))))
    if x.shape[1] > WIDEST:
        x = PCA(min(WIDEST, fewest), random_state=0).fit_transform(x)  # [N, 50]
    perplexity = min(PERPLEXITY, (len(x) - 1) / 3)
    flat: NDArray[np.float64] = TSNE(init="pca", perplexity=perplexity, random_state=0).fit_transform(x)  # [N, 2]
    return flat


def draw_embeddings(
    embeddings: Mapping[str, NDArray[np.float32]], labels: NDArray[np.int64], classes: Sequence[str]
) -> Figure:
    """Draw one panel per stage of training, each utterance in the colour and marker of its true class.

    Args:
        embeddings: ``[N, E]`` by the name of the stage.
        labels: ``[N]``; unlabelled utterances are left out.
        classes: the C class names.
    """
    rows = _drawn_rows(labels != UNLABELLED)
    across = max(1, len(embeddings))
    columns = _columns(names_of(classes))
    legend_height = 0.24 * -(-len(classes) // columns)
    figure = Figure(figsize=(WIDTH, 0.6 + WIDTH / across + legend_height), layout="constrained")
    for axes, (stage, x) in zip(figure.subplots(1, across, squeeze=False)[0], embeddings.items(), strict=True):
        flat = project(x[rows])  # [n, 2]
        for number, look in enumerate(looks(classes)):
            own = flat[labels[rows] == number]
            axes.scatter(
                *own.T, s=9, c=look.colour, marker=look.marker, edgecolors=INK, linewidths=0.15,
                label=names_of(classes)[number], rasterized=True,
            )  # fmt: skip
        axes.set(title=stage, xticks=[], yticks=[])
    handles, names = figure.axes[0].get_legend_handles_labels()
    order = _by_rows(len(names), columns)
    legend = figure.legend(
        [handles[place] for place in order], [names[place] for place in order],
        loc="outside lower center", ncols=columns, frameon=False, fontsize=SMALL,
    )  # fmt: skip
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def draw_numbered_embeddings(
    embeddings: Mapping[str, NDArray[np.float32]], numbers: NDArray[np.float64], names: Sequence[str]
) -> Figure:
    """Draw one panel per stage of training, each utterance in the colour of its first true number.

    Args:
        embeddings: ``[N, E]`` by the name of the stage.
        numbers: ``[N]``, NaN = unlabelled; such utterances are left out.
        names: the names of the target's numbers.
    """
    rows = _drawn_rows(~np.isnan(numbers))
    across = max(1, len(embeddings))
    figure = Figure(figsize=(WIDTH, 0.9 + WIDTH / across), layout="constrained")
    panels = figure.subplots(1, across, squeeze=False)[0]
    ends = (float(numbers[rows].min()), float(numbers[rows].max()))
    for axes, (stage, x) in zip(panels, embeddings.items(), strict=True):
        points = axes.scatter(
            *project(x[rows]).T, s=9, c=numbers[rows], cmap="cividis", vmin=ends[0], vmax=ends[1], rasterized=True
        )
        axes.set(title=stage, xticks=[], yticks=[])
    bar = figure.colorbar(points, ax=list(panels), location="bottom", fraction=0.05)
    bar.set_label(f"true {names[0]}", parse_math=False)
    return figure


def _drawn_rows(known: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the labelled rows, or a random part of too many."""
    rows = np.flatnonzero(known)
    if len(rows) > MOST_POINTS:
        rows = np.sort(np.random.default_rng(0).choice(rows, MOST_POINTS, replace=False))
    return rows


def _columns(names: Sequence[str]) -> int:
    """Return the number of columns of the legend that fit into the width of the picture."""
    widest = MARKER + LETTER * max(map(len, names), default=0)
    return max(1, min(COLUMNS, int(WIDTH / widest)))


def _by_rows(size: int, columns: int) -> list[int]:
    """Return the order of a legend whose rows read in the order of the classes; matplotlib fills columns first."""
    return [place for column in range(columns) for place in range(column, size, columns)]
