"""Result table of several recipes or variants: means, deviations over seeds, and significant differences."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape

from ercfw.contract.metric import SHARE, Scale
from ercfw.errors import InputError, did_you_mean
from ercfw.results.comparison.significance import FEWEST, Difference
from ercfw.results.points import points
from ercfw.system.html_table import html_table

BOLD = (
    "Bold: the scores that no other score of the column beats significantly, in columns where they are at most half "
    "of the scores (t-tests over conversations and seeds, of all pairs of rows, adjusted by Holm)."
)

MANY = 20
"""Number of differences beyond which a note says that their number makes the tests weak."""


@dataclass(frozen=True)
class Cell:
    """Score over seeds; of a share, 1 = 100 points.

    Attributes:
        mean: the mean over seeds.
        deviation: the sample standard deviation; None with one seed.
        interval: the 95 % interval of the mean, over conversations and seeds; None with one seed.
        is_best: whether no other score of its column is significantly better, and this holds for at most half of the
            column.
    """

    mean: float
    deviation: float | None = None
    interval: tuple[float, float] | None = None
    is_best: bool = False

    def shown(self, scale: Scale) -> str:
        """Return the mean and its deviation, as scores on this scale are shown."""
        return points(self.mean, self.deviation, scale)


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
        left_out: which reported scores are not shown, and why.
        scales: how the scores of a column are read, for each column whose scores are no shares.
        each: the metric of the first columns.
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
    left_out: Sequence[str] = field(default=())
    scales: Mapping[str, Scale] = field(default_factory=dict)
    each: str = "f1"

    def scale(self, column: str) -> Scale:
        """Return how the scores of a column are read."""
        return self.scales.get(column, SHARE)

    @property
    def main_scale(self) -> Scale:
        """Return how the first metric is read, which is that of the differences."""
        return self.scale(self.metrics[0]) if self.metrics else SHARE

    def _repr_html_(self) -> str:
        """Return the table as HTML, for notebooks."""
        stamps = "".join(f" [{stamp}]" for stamp in self.stamps)
        scales = [self.scale(column) for column in self.columns]
        rows = [
            [
                line.name,
                *(cell.shown(of) if cell is not None else "-" for cell, of in zip(line.cells, scales, strict=True)),
            ]
            for line in self.lines
        ]
        bold = {
            (y, x) for y, line in enumerate(self.lines) for x, cell in enumerate(line.cells, 1) if cell and cell.is_best
        }
        notes = "".join(f"<p>{escape(note)}</p>" for note in self.all_notes)
        return html_table(f"{self.title}: {self.target}, {self.split}{stamps}", ["", *self.columns], rows, bold) + notes

    @property
    def score_notes(self) -> list[str]:
        """Return an explanation of the scores and of bold type."""
        own = [line for line in self.lines if not line.is_quoted]
        tested = [line for line in own if line.seeds >= FEWEST]
        single = [line.name for line in own if line.seeds < FEWEST]
        two = [line.name for line in own if line.seeds == FEWEST]
        means = f"{self.unit_note}: mean ± standard deviation over seeds."
        notes = [f"{means}{self.direction_note} Protocol: {self.protocol}."]
        if len(tested) > 1:
            notes.append(BOLD)
        if single:
            notes.append(f"Rows with one seed have no interval and are not tested: {', '.join(single)}.")
        if two:
            notes.append(f"Two seeds only, so the intervals are rough: {', '.join(two)}.")
        return notes

    @property
    def unit_note(self) -> str:
        """Return the unit of the scores."""
        plain = [name for name in self.columns if not self.scale(name).in_points]
        if not plain:
            return "Scores in points (0 to 100)"
        if len(plain) == len(self.columns):
            return "Scores in their own units"
        return f"Scores in points (0 to 100), except for {', '.join(plain)}"

    @property
    def direction_note(self) -> str:
        """Return for which metrics a lower score is better, with a space before it; empty if for none."""
        errors = [name for name in self.metrics if self.scale(name).lower_is_better]
        return f" Lower is better for {', '.join(errors)}." if errors else ""

    @property
    def interval_notes(self) -> list[str]:
        """Return an explanation of the interval of a line's mean, if lines have one; it is of the first metric."""
        first = [line.cells[len(self.classes)] for line in self.lines] if self.metrics else []
        has_intervals = any(cell is not None and cell.interval is not None for cell in first)
        return [f"95 % interval: of the mean {self.metrics[0]}, over conversations and seeds."] if has_intervals else []

    @property
    def difference_notes(self) -> list[str]:
        """Return an explanation of the differences, which are in the first metric, if lines have one."""
        compared = sum(line.difference is not None for line in self.lines)
        notes = []
        if compared:
            notes.append(
                f"Difference: in {self.metrics[0]} from {self.reference}, with its interval and p-value. In 95 of "
                "100 tables, all intervals contain the true differences. Holm's method adjusts the p-values."
            )
        if compared > MANY:
            notes.append(f"These are {compared} comparisons, so only large differences are significant: compare fewer.")
        return notes

    @property
    def meaning(self) -> list[str]:
        """Return an explanation of all numbers and of bold type."""
        return [*self.score_notes, *self.interval_notes, *self.difference_notes]

    @property
    def all_notes(self) -> list[str]:
        """Return all that a reader must know."""
        return [*self.meaning, *self.notes, *self.left_out]

    @property
    def columns(self) -> list[str]:
        """Return the headings of the score columns."""
        return [*self.classes, *self.metrics]

    def with_columns(self, chosen: Sequence[str]) -> "ResultTable":
        """Return the table with some of its score columns, in its own order.

        Differences are of the first metric; without that column, the table has no differences.

        Raises:
            InputError: there is no such column.
        """
        for name in chosen:
            if name not in self.columns:
                raise InputError.at("columns", f"there is no column '{name}'", did_you_mean(name, self.columns))
        places = [place for place, name in enumerate(self.columns) if name in chosen]
        has_first = bool(self.metrics) and self.metrics[0] in chosen
        lines = [
            replace(
                line,
                cells=[line.cells[place] for place in places],
                difference=line.difference if has_first else None,
            )
            for line in self.lines
        ]
        classes = [name for name in self.classes if name in chosen]
        return replace(self, classes=classes, metrics=[m for m in self.metrics if m in chosen], lines=lines)
