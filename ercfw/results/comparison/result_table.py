"""Result table of several recipes or variants: means, deviations over seeds, and significant differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from statistics import mean, stdev
from typing import Any

import numpy as np

from ercfw.errors import InputError
from ercfw.results.comparison.confusion_counts import WHOLE, Array, Score, of_class
from ercfw.results.comparison.significance import FEWEST_SEEDS, Difference, differences
from ercfw.results.finished_run import Group
from ercfw.results.points import points
from ercfw.system.html_table import html_table

MEGABYTE = 1e6
BOLD = (
    "Bold: the best score of a column, and every score that does not differ significantly from it. A difference is "
    "significant if its 95 % confidence interval (two-level bootstrap over conversations and seeds) excludes 0 and its "
    "p-value (approximate randomisation over conversations, Holm-adjusted over the rows) is below .05."
)


@dataclass(frozen=True)
class Cell:
    """Score over seeds, 1 = 100 points.

    Attributes:
        mean: the mean over seeds.
        deviation: the sample standard deviation; None with one seed.
        is_best: whether it does not differ significantly from the best of its column.
    """

    mean: float
    deviation: float | None = None
    is_best: bool = False

    def __str__(self) -> str:
        return points(self.mean, self.deviation)


@dataclass(frozen=True)
class ResultLine:
    """Row of the table: a variant, or scores that others reported.

    Attributes:
        name: the name of the variant or method.
        cells: one per column; None if there is no such score.
        seeds: the number of runs; 0 = quoted.
        difference: the difference of its selected score from the table's reference.
        parameters: the number of trained parameters.
        seconds: the mean duration of a run.
        megabytes: the peak memory of a run, the maximum over seeds.
    """

    name: str
    cells: Sequence[Cell | None]
    seeds: int
    difference: Difference | None = None
    parameters: int | None = None
    seconds: float | None = None
    megabytes: float | None = None

    @property
    def is_quoted(self) -> bool:
        """Return whether others reported the scores."""
        return self.seeds == 0


@dataclass(frozen=True)
class ResultTable:
    """Table of scores on one split, for one target.

    Attributes:
        title: the title of the recipe.
        target: the predicted target.
        split: the split that was scored.
        classes: the classes whose F1 scores fill the first columns.
        metrics: the columns after them, the selected one first.
        lines: one row per variant.
        reference: the row that ``difference`` is measured from.
        protocol: the protocol by which the epochs were chosen.
        stamps: words that must appear on the table.
        notes: what a reader must know in addition to the meaning of the columns.
    """

    title: str
    target: str
    split: str
    classes: Sequence[str]
    metrics: Sequence[str]
    lines: Sequence[ResultLine]
    reference: str
    protocol: str
    stamps: Sequence[str] = ()
    notes: Sequence[str] = field(default=())

    def _repr_html_(self) -> str:
        """Return the table as HTML, for notebooks."""
        stamps = "".join(f" [{stamp}]" for stamp in self.stamps)
        rows = [[line.name, *(str(cell) if cell is not None else "-" for cell in line.cells)] for line in self.lines]
        bold = {
            (y, x) for y, line in enumerate(self.lines) for x, cell in enumerate(line.cells, 1) if cell and cell.is_best
        }
        notes = "".join(f"<p>{escape(note)}</p>" for note in (*self.meaning, *self.notes))
        return html_table(f"{self.title}: {self.target}, {self.split}{stamps}", ["", *self.columns], rows, bold) + notes

    @property
    def meaning(self) -> list[str]:
        """Return an explanation of the numbers and of bold type."""
        own = [line for line in self.lines if not line.is_quoted]
        few = [line.name for line in own if line.seeds < FEWEST_SEEDS]
        notes = [f"Scores in points (0 to 100): mean ± standard deviation over seeds. Protocol: {self.protocol}."]
        if len(own) - len(few) > 1:
            notes.append(BOLD)
        if few and len(own) > 1:
            notes.append(f"Not tested for significance (fewer than {FEWEST_SEEDS} seeds): {', '.join(few)}.")
        return notes

    @property
    def columns(self) -> list[str]:
        """Return the headings of the score columns."""
        return [*self.classes, *self.metrics]


def make_table(groups: Sequence[Group], split: str, target: str) -> ResultTable:
    """Make the table of groups that were scored on the same utterances; the first group is the reference.

    Raises:
        InputError: seeds of a group were scored on different utterances, or their predictions are not those scored.
    """
    counts = [group.counts(split, target) for group in groups]
    classes = groups[0].first.answers(split, target).classes
    select = groups[0].first.metrics.select
    metrics = _metrics(groups, split, target, select)
    scores = [*map(of_class, range(len(classes))), *(WHOLE.get(name) for name in metrics)]
    keys = [*(("f1", name) for name in classes), *((name,) for name in metrics)]
    values = [[_values(group, split, target, key) for group in groups] for key in keys]
    for group, runs, seen in zip(groups, counts, values[len(classes)] if metrics else [], strict=False):
        _check_scored(group, runs, seen, scores[len(classes)])
    columns = [_column(of_key, counts, score) for of_key, score in zip(values, scores, strict=True)]
    from_first = _from_first(counts, WHOLE.get(metrics[0]) if metrics else None)
    lines = [
        _line(group, [column[number] for column in columns], difference)
        for number, (group, difference) in enumerate(zip(groups, from_first, strict=True))
    ]
    first = groups[0].first.metrics
    stamps = dict.fromkeys(stamp for group in groups for run in group.runs for stamp in run.metrics.stamps)
    return ResultTable(
        first.title, target, split, classes, metrics, lines, groups[0].name, first.protocol, tuple(stamps)
    )


def _check_scored(group: Group, runs: Array, values: Sequence[float], score: Score | None) -> None:
    if score is not None and not np.allclose(score(runs.sum(1)), values, atol=1e-6):
        what = "has predictions that do not match the scores in its metrics.json"
        raise InputError.at(group.first.folder.parent, what, "ercfw run --force makes the runs again")


def _metrics(groups: Sequence[Group], split: str, target: str, select: str) -> list[str]:
    """Return the metrics that are one number, the selected one first."""
    scores = [run.metrics.scores.get(split, {}).get(target, {}) for group in groups for run in group.runs]
    names = dict.fromkeys(name for each in scores for name, value in each.items() if not isinstance(value, dict))
    return sorted(names, key=lambda name: f"{target}.{name}" != select)


def _values(group: Group, split: str, target: str, key: tuple[str, ...]) -> list[float]:
    found = []
    for run in group.runs:
        value: Any = run.metrics.scores.get(split, {}).get(target, {})
        for part in key:
            value = value.get(part) if isinstance(value, Mapping) else None
        found += [float(value)] if isinstance(value, (int, float)) else []
    return found


def _column(values: Sequence[Sequence[float]], counts: Sequence[Array], score: Score | None) -> list[Cell | None]:
    best = _best(values, counts, score)
    return [
        Cell(mean(each), stdev(each) if len(each) > 1 else None, number in best) if each else None
        for number, each in enumerate(values)
    ]


def _best(values: Sequence[Sequence[float]], counts: Sequence[Array], score: Score | None) -> set[int]:
    """Return the best and those not significantly different from it; none if seeds are too few for a claim."""
    able = [number for number, each in enumerate(values) if len(each) >= FEWEST_SEEDS]
    if score is None or len(able) < 2:
        return set()
    highest = max(able, key=lambda number: mean(values[number]))
    others = [number for number in able if number != highest]
    found = differences(counts[highest], [counts[number] for number in others], score)
    return {highest, *(number for number, each in zip(others, found, strict=True) if not each.is_significant)}


def _from_first(counts: Sequence[Array], score: Score | None) -> list[Difference | None]:
    able = [number for number in range(1, len(counts)) if len(counts[number]) >= FEWEST_SEEDS]
    if score is None or len(counts[0]) < FEWEST_SEEDS:
        return [None] * len(counts)
    found = differences(counts[0], [counts[number] for number in able], score)
    by_number = dict(zip(able, found, strict=True))
    return [-by_number[number] if number in by_number else None for number in range(len(counts))]


def _line(group: Group, cells: Sequence[Cell | None], difference: Difference | None) -> ResultLine:
    metrics = [run.metrics for run in group.runs]
    memory = [each.peak_memory for each in metrics if each.peak_memory]
    return ResultLine(
        group.name,
        cells,
        len(group.runs),
        difference,
        metrics[0].parameters,
        mean(each.seconds for each in metrics),
        max(memory) / MEGABYTE if memory else None,
    )
