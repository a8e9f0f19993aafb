"""Pictures of a run: the learning curve, and a confusion matrix a split and target."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from ercfw.conversations import UNLABELLED
from ercfw.errors import shown
from ercfw.evaluate import Predictions
from ercfw.files import replacing
from ercfw.info import DataInfo
from ercfw.report.tables import headline

MOST_CLASSES, LONGEST_CLASS = 60, 40
"""Classes that a picture can show, and characters of a class's name."""


def draw_run(
    folder: Path,
    history: Sequence[Mapping[str, Any]],
    predictions: Mapping[str, Predictions],
    info: DataInfo,
    metrics: Mapping[str, Any],
) -> list[str]:
    """Write the pictures of a run (``metrics`` as in ``metrics.json``); their names."""
    names = ["learning_curve.png"]
    curve = learning_curve(history, metrics["best_epoch"], metrics["select"], metrics["chosen_on"])
    save_picture(folder / names[0], curve, headline(metrics), metrics["stamps"])
    for split, predicted in predictions.items():
        for target in predicted.labels:
            counts = confusion_counts(predicted, target)
            if not counts.any() or len(counts) > MOST_CLASSES:
                continue
            names.append(f"confusion_{split}_{target}.png")
            figure = confusion(counts, info.targets[target].classes)
            save_picture(folder / names[-1], figure, f"{headline(metrics)}: {target} of {split}", metrics["stamps"])
    return names


def learning_curve(history: Sequence[Mapping[str, Any]], best_epoch: int, select: str, chosen_on: str) -> Figure:
    """Losses of train and of the split that chooses the epoch, and the score that it chooses by."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = [line["epoch"] for line in history]
    for label, key in (("train", "train_loss"), (chosen_on, "watched_loss")):
        left.plot(epochs, [sum(line[key].values()) for line in history], label=label, marker=".")
    left.set(xlabel="epoch", ylabel="weighted sum of losses")
    left.legend(frameon=False)
    chosen = [100 * line["selected"] for line in history]
    right.plot(epochs, chosen, marker=".", color="C2")
    best = chosen[best_epoch - 1]
    right.plot([best_epoch], [best], marker="o", color="C2")
    right.annotate(f"{best:.1f}", (best_epoch, best), textcoords="offset points", xytext=(0, 6), ha="center")
    right.set(xlabel="epoch", ylabel=f"{select} on {chosen_on}")
    right.margins(y=0.15)
    for axes in (left, right):
        axes.set_xlim(0.5, len(epochs) + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
    return figure


def confusion_counts(predicted: Predictions, target: str) -> NDArray[np.int64]:
    """``[C, C]`` labelled utterances by true and predicted class."""
    labels, probabilities = predicted.labels[target], predicted.probabilities[target]
    counts = np.zeros((probabilities.shape[1],) * 2, dtype=np.int64)
    real = labels != UNLABELLED
    np.add.at(counts, (labels[real], probabilities[real].argmax(-1)), 1)
    return counts


def confusion(counts: NDArray[np.int64], classes: Sequence[str]) -> Figure:
    """Counts in cells, shaded by the share of the true class."""
    classes = [shown(name, LONGEST_CLASS) for name in classes]
    size = 3.2 + 0.4 * len(classes) + 0.07 * max(map(len, classes))
    figure = Figure(figsize=(size, size * 0.9), layout="constrained")
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right", parse_math=False)
    axes.set_yticks(range(len(classes)), classes, parse_math=False)
    axes.set(xlabel="predicted", ylabel="true")
    for true in range(len(classes)):
        for answer in range(len(classes)):
            shade = "white" if shares[true, answer] > 0.5 else "black"
            axes.text(answer, true, str(counts[true, answer]), ha="center", va="center", color=shade, fontsize=8)
    figure.colorbar(image, label="share of the true class", fraction=0.046)
    return figure


def save_picture(path: Path, figure: Figure, title: str, stamps: Sequence[str]) -> None:
    """Write a picture; its stamps stand in its title, under it, and in the file's metadata."""
    figure.suptitle(fill(title, width=int(11 * figure.get_figwidth())), fontsize=10, parse_math=False)
    if stamps:
        figure.supxlabel(", ".join(stamps), color="red", weight="bold", fontsize=13)
    FigureCanvasAgg(figure)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120, metadata={"Title": " ".join([title, *stamps])})
