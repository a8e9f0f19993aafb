"""Pictures of a run: the learning curve, and a confusion matrix a split and target."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.metrics import confusion_matrix

from ercfw.conversations import UNLABELLED
from ercfw.evaluate import Predictions
from ercfw.files import replacing
from ercfw.info import DataInfo


def draw_run(
    folder: Path,
    history: Sequence[Mapping[str, Any]],
    predictions: Mapping[str, Predictions],
    info: DataInfo,
    title: str,
    stamps: Sequence[str],
    select: str,
) -> list[str]:
    """Write all pictures of a run; their names."""
    names = ["learning_curve.png"]
    _save(folder / names[0], learning_curve(history, select), title, stamps)
    for split, predicted in predictions.items():
        for target, spec in info.targets.items():
            labels = predicted.labels[target]
            real = labels != UNLABELLED
            if not real.any():
                continue
            names.append(f"confusion_{split}_{target}.png")
            answers = predicted.probabilities[target][real].argmax(-1)
            counts = confusion_matrix(labels[real], answers, labels=range(len(spec.classes)))
            _save(folder / names[-1], confusion(counts, spec.classes), f"{title}: {split}", stamps)
    return names


def learning_curve(history: Sequence[Mapping[str, Any]], select: str) -> Figure:
    """Losses of train and of the watched split by epoch, and the score that chooses the epoch."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    epochs = [line["epoch"] for line in history]
    for label, key in (("train", "train_loss"), ("watched", "watched_loss")):
        left.plot(epochs, [sum(line[key].values()) for line in history], label=label, marker=".")
    left.set(xlabel="epoch", ylabel="weighted sum of losses")
    left.legend(frameon=False)
    chosen = [100 * line["selected"] for line in history]
    right.plot(epochs, chosen, marker=".", color="C2")
    best = int(np.argmax(chosen))
    right.annotate(f"{chosen[best]:.1f}", (epochs[best], chosen[best]), textcoords="offset points", xytext=(0, 6))
    right.set(xlabel="epoch", ylabel=f"{select} on the watched split")
    right.margins(y=0.15)
    return figure


def confusion(counts: np.ndarray[Any, Any], classes: Sequence[str]) -> Figure:
    """Counts in cells, shaded by the share of the true class."""
    size = max(4.0, 0.7 * len(classes) + 2)
    figure = Figure(figsize=(size, size * 0.9), layout="constrained")
    axes = figure.subplots()
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(classes)), classes, rotation=45, ha="right")
    axes.set_yticks(range(len(classes)), classes)
    axes.set(xlabel="predicted", ylabel="true")
    for true in range(len(classes)):
        for predicted in range(len(classes)):
            shade = "white" if shares[true, predicted] > 0.5 else "black"
            axes.text(predicted, true, str(counts[true, predicted]), ha="center", va="center", color=shade, fontsize=8)
    figure.colorbar(image, label="share of the true class", shrink=0.8)
    return figure


def _save(path: Path, figure: Figure, title: str, stamps: Sequence[str]) -> None:
    figure.suptitle(title, fontsize=10)
    for number, stamp in enumerate(stamps):
        figure.text(
            0.5, 0.5 - 0.2 * number, stamp, fontsize=40, color="red", alpha=0.3, rotation=20, ha="center", va="center"
        )
    FigureCanvasAgg(figure)
    with replacing(path) as temporary:
        figure.savefig(temporary, format="png", dpi=120, metadata={"Title": " ".join([title, *stamps])})
