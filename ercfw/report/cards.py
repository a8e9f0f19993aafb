"""The headline numbers of a page, with what they are to be compared with."""

from collections.abc import Iterator, Sequence

from ercfw.report.blocks import Card
from ercfw.report.tables import SPLIT
from ercfw.results.comparison.confusion_counts import WHOLE
from ercfw.results.comparison.controls import Controls, find_controls, interval_over_conversations
from ercfw.results.comparison.result_table import ResultLine, ResultTable
from ercfw.results.finished_run import FinishedRun, Group
from ercfw.results.points import points

OF_RUN = "95 % intervals: over the conversations of test, for this seed only. Scores in points (0 to 100)."
OF_GROUPS = "95 % intervals: over the conversations of test and over seeds. Scores in points (0 to 100)."
Note = tuple[str, str]


def cards_of_run(group: Group) -> Iterator[Card]:
    """Yield the single-number scores of test, the selected one first, each with its interval and its controls."""
    run = group.first
    scores = run.metrics.scores.get(SPLIT, {})
    for target, of_target in scores.items():
        controls = find_controls([group], SPLIT, target)
        for name, value in sorted(of_target.items(), key=lambda item: f"{target}.{item[0]}" != run.metrics.select):
            if isinstance(value, float):
                heading = f"{target} {name}, {SPLIT}" if len(scores) > 1 else f"{name}, {SPLIT}"
                dev = run.metrics.score("dev", target, name)
                notes = [*_interval(_interval_of_run(run, target, name)), *_notes(controls, name)]
                yield Card(heading, points(value), [*notes, *([("dev", points(dev))] if dev is not None else [])])


def cards_of_groups(groups: Sequence[Group], table: ResultTable, controls: Controls) -> Iterator[Card]:
    """Yield all scores of a single variant; of several variants, the main score of the first, the best and controls."""
    own = [line for line in table.lines if not line.is_quoted]
    first = len(table.classes)
    if len(groups) == 1:
        for place, name in enumerate(table.metrics, first):
            yield from _card(f"{name}, {table.split}", own[0], place, _notes(controls, name))
    elif table.metrics:
        name = table.metrics[0]
        yield from _card(f"{name}, {own[0].name}", own[0], first)
        best = max(own, key=lambda line: cell.mean if (cell := line.cells[first]) is not None else -1.0)
        if best is not own[0]:
            yield from _card(f"{name}, {best.name} (highest)", best, first)
        for control, value in controls.scores(name).items():
            line = next((line for line in own if line.name == control), None)
            if line is None:
                yield Card(f"{name}, {control}", points(value))
            elif line is not best:
                yield from _card(f"{name}, {control}", line, first)


def _card(heading: str, line: ResultLine, place: int, notes: Sequence[Note] = ()) -> Iterator[Card]:
    cell = line.cells[place]
    if cell is not None:
        seeds = [("seeds", str(line.seeds))]
        yield Card(heading, points(cell.mean), [*_interval(cell.interval), *seeds, *notes])


def _interval_of_run(run: FinishedRun, target: str, name: str) -> tuple[float, float] | None:
    score = WHOLE.get(name)
    return interval_over_conversations(run.answers(SPLIT, target).counts, score) if score is not None else None


def _interval(interval: tuple[float, float] | None) -> list[Note]:
    return [("95 % interval", f"{100 * interval[0]:.1f} to {100 * interval[1]:.1f}")] if interval else []


def _notes(controls: Controls, name: str) -> list[Note]:
    return [(control, points(value)) for control, value in controls.scores(name).items()]
