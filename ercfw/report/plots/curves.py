"""Draw the learning curves of a run."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from ercfw.contract.metric import SHARE, Scale
from ercfw.errors import shown
from ercfw.report.plots.style import SMALL, SPLITS, WIDTH

MOST_LOSSES = 20
"""Maximum number of losses with a panel of their own."""
Epoch = Mapping[str, Any]
"""An entry of ``history.jsonl``."""


def draw_learning_curves(
    history: Sequence[Epoch], best_epoch: int, select: str, chosen_on: str, scale: Scale = SHARE
) -> Figure:
    """Draw the score that selects the epoch, the weighted sum of the losses, and the first losses if there are several.

    Args:
        history: one entry per epoch, as in ``history.jsonl``.
        best_epoch: the number of the best epoch, from 1.
        select: the score that selected the epoch.
        chosen_on: the split on which the epoch was selected.
        scale: how that score is read.
    """
    names = list(history[0]["train_loss"]) if len(history[0]["train_loss"]) > 1 else []
    parts, hidden = names[:MOST_LOSSES], len(names[MOST_LOSSES:])
    panels = 2 + len(parts)
    figure = Figure(figsize=(WIDTH, 0.3 + 2.1 * panels), layout="constrained")
    axes = list(figure.subplots(panels, 1, sharex=True))
    _draw_score(axes[0], history, best_epoch, f"{select} on {chosen_on}", scale)
    _draw_losses(axes[1], history, chosen_on, lambda losses: sum(losses.values()), "weighted sum of losses")
    for panel, name in zip(axes[2:], parts, strict=False):
        _draw_losses(panel, history, chosen_on, lambda losses, name=name: losses.get(name), shown(name, 40))  # type: ignore[misc]
    unit = f"epoch ({hidden} more losses: history.jsonl)" if hidden else "epoch"
    axes[-1].set(xlabel=unit, xlim=(0.5, len(history) + 0.5))
    axes[-1].xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return figure


def _draw_score(axes: Axes, history: Sequence[Epoch], best_epoch: int, name: str, scale: Scale) -> None:
    unit, form = (100, "{:.1f}") if scale.in_points else (1, "{:.3f}")
    values = [unit * line["selected"] for line in history]
    axes.plot([line["epoch"] for line in history], values, marker=".", color=SPLITS["test"])
    best = values[best_epoch - 1]
    axes.plot([best_epoch], [best], marker="o", color=SPLITS["test"])
    axes.annotate(form.format(best), (best_epoch, best), textcoords="offset points", xytext=(0, 6), ha="center")
    axes.set(ylabel=name)
    axes.margins(y=0.15)


def _draw_losses(
    axes: Axes, history: Sequence[Epoch], chosen_on: str, of: Callable[[Mapping[str, float]], float | None], name: str
) -> None:
    epochs = [line["epoch"] for line in history]
    for label, key, colour, dashes in (
        ("train", "train_loss", SPLITS["train"], "-"),
        (chosen_on, "watched_loss", SPLITS["dev"], "--"),
    ):
        values = [of(line[key]) for line in history]
        if all(value is not None for value in values):
            axes.plot(epochs, values, label=label, marker=".", color=colour, linestyle=dashes)  # type: ignore[arg-type]
    axes.set_ylabel(name, parse_math=False)
    axes.legend(frameon=False, fontsize=SMALL)
