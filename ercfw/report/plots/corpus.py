"""Draw the statistics of a corpus in one picture."""

from collections.abc import Mapping
from itertools import cycle
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ercfw.contract.stamps import SIMULATED
from ercfw.data.audit.corpus_statistics import ALL, SplitStatistics
from ercfw.report.plots.style import SPLITS, names_of, save, titled

STYLES = ("-", "--", ":", "-.")


def draw_corpus(path: Path, statistics: Mapping[str, SplitStatistics], title: str, simulated: bool) -> None:
    """Write a picture of class shares, conversation lengths and emotion shifts for each split."""
    figure = Figure(figsize=(11, 4.2), layout="constrained")
    shares, lengths, shifts = figure.subplots(1, 3, width_ratios=(2.2, 1.6, 1.2))
    splits = {name: of for name, of in statistics.items() if name != ALL}
    _shares(shares, splits)
    _lengths(lengths, splits)
    _shifts(shifts, splits)
    save(titled(figure, title, [SIMULATED] if simulated else []), path)


def _shares(axes: Axes, splits: Mapping[str, SplitStatistics]) -> None:
    """Draw the distribution of the first target: of its classes or labels, or of its numbers."""
    if next(iter(next(iter(splits.values())).targets.values())).kind == "regression":
        _numbers(axes, splits)
        return
    labels = {name: next(iter(of.targets.values())) for name, of in splits.items()}
    classes = list(next(iter(labels.values())).counts)
    height = 0.8 / len(splits)
    for place, (name, of) in enumerate(labels.items()):
        shares = [100 * count / max(1, of.labelled) for count in of.counts.values()]
        axes.barh(np.arange(len(classes)) + place * height, shares, height, label=name, color=SPLITS[name])
    axes.set_yticks(np.arange(len(classes)) + height, names_of(classes), parse_math=False)
    axes.invert_yaxis()
    axes.set(xlabel="% of the labelled utterances", title="class distribution")
    axes.legend(frameon=False)


def _numbers(axes: Axes, splits: Mapping[str, SplitStatistics]) -> None:
    """Draw the cumulative distribution of each number; line styles distinguish several."""
    for split, of in splits.items():
        for (name, values), style in zip(next(iter(of.targets.values())).numbers.items(), cycle(STYLES), strict=False):
            found = np.sort(values)
            shares = 100 * np.arange(1, len(found) + 1) / len(found)
            axes.step(found, shares, style, where="post", label=f"{name}, {split}", color=SPLITS[split])
    axes.set(xlabel="number", ylabel="% of the labelled utterances (cumulative)", title="distribution of numbers")
    for text in axes.legend(frameon=False).get_texts():
        text.set_parse_math(False)


def _lengths(axes: Axes, splits: Mapping[str, SplitStatistics]) -> None:
    """Draw the cumulative distribution of conversation lengths; shares, because the splits differ in size."""
    for name, of in splits.items():
        found = np.sort(of.lengths)
        axes.step(found, 100 * np.arange(1, len(found) + 1) / len(found), where="post", label=name, color=SPLITS[name])
    axes.set(
        xlabel="utterances per conversation", ylabel="% of conversations (cumulative)", title="conversation lengths"
    )
    axes.set_xlim(left=0)
    axes.set_ylim(0, 102)


def _shifts(axes: Axes, splits: Mapping[str, SplitStatistics]) -> None:
    height = 0.8 / len(splits)
    for place, (name, of) in enumerate(splits.items()):
        values = [of.own_shifts.share, of.shifts.share]
        axes.bar(np.arange(2) + place * height, values, height, label=name, color=SPLITS[name])
    axes.set_xticks(np.arange(2) + height, ["same\nspeaker", "any\nspeaker"])
    axes.set(xlabel="previous utterance by", ylabel="% of utterances", title="emotion shifts", ylim=(0, 100))
