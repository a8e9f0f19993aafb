"""Draw the statistics of a corpus in one picture."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ercfw.contract.stamps import SIMULATED
from ercfw.data.audit.corpus_statistics import ALL, SplitStatistics
from ercfw.report.plots.style import SPLITS, names_of, save, titled


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
    classes = list(next(iter(splits.values())).classes)
    height = 0.8 / len(splits)
    for place, (name, of) in enumerate(splits.items()):
        total = max(1, sum(of.classes.values()))
        shares = [100 * count / total for count in of.classes.values()]
        axes.barh(np.arange(len(classes)) + place * height, shares, height, label=name, color=SPLITS[name])
    axes.set_yticks(np.arange(len(classes)) + height, names_of(classes), parse_math=False)
    axes.invert_yaxis()
    axes.set(xlabel="% of the labelled utterances", title="class distribution")
    axes.legend(frameon=False)


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
    axes.set_xticks(np.arange(2) + height, ["from the speaker's\nprevious utterance", "from the\nprevious utterance"])
    axes.set(ylabel="% of utterances", title="emotion shifts", ylim=(0, 100))
