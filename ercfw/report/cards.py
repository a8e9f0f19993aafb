"""The headline numbers of a page, with what they are to be compared with."""

from collections.abc import Iterator, Sequence

from ercfw.contract.metric import Scale
from ercfw.report.blocks import Card
from ercfw.report.tables import SPLIT
from ercfw.results.comparison.controls import Controls, find_controls, interval_over_conversations
from ercfw.results.comparison.result_table import Cell, ResultLine, ResultTable
from ercfw.results.finished_run import Group
from ercfw.results.points import points

OF_RUN = "95 % intervals: over the conversations of test, for this seed only."
OF_GROUPS = "95 % intervals: over the conversations of test and over seeds."
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
                scale = run.metrics.scale(name)
                found = interval_over_conversations(run.answers(SPLIT, target), name, scale)
                notes = [*_interval(found, scale), *_notes(controls, name, scale)]
                of_dev = [("dev", points(dev, scale=scale))] if dev is not None else []
                yield Card(heading, points(value, scale=scale), [*notes, *of_dev])


def cards_of_groups(groups: Sequence[Group], table: ResultTable, controls: Controls) -> Iterator[Card]:
    """Yield all scores of a single variant; of several variants, the main score of the first, the best and controls."""
    own = [line for line in table.lines if not line.is_quoted]
    first = len(table.classes)
    if len(groups) == 1:
        for place, name in enumerate(table.metrics, first):
            scale = table.scale(name)
            yield from _card(f"{name}, {table.split}", own[0], place, scale, _notes(controls, name, scale))
    elif table.metrics:
        name, scale = table.metrics[0], table.main_scale
        yield from _card(f"{name}, {own[0].name}", own[0], first, scale)
        best = max(own, key=lambda line: _goodness(line.cells[first], scale))
        if best is not own[0]:
            extreme = "lowest" if scale.lower_is_better else "highest"
            yield from _card(f"{name}, {best.name} ({extreme})", best, first, scale)
        for control, value in controls.scores(name).items():
            line = next((line for line in own if line.name == control), None)
            if line is None:
                yield Card(f"{name}, {control}", points(value, scale=scale))
            elif line is not best:
                yield from _card(f"{name}, {control}", line, first, scale)


def _goodness(cell: Cell | None, scale: Scale) -> float:
    """Return a number that is higher for a better score."""
    if cell is None:
        return float("-inf")
    return -cell.mean if scale.lower_is_better else cell.mean


def _card(heading: str, line: ResultLine, place: int, scale: Scale, notes: Sequence[Note] = ()) -> Iterator[Card]:
    cell = line.cells[place]
    if cell is not None:
        seeds = [("seeds", str(line.seeds))]
        yield Card(heading, points(cell.mean, scale=scale), [*_interval(cell.interval, scale), *seeds, *notes])


def _interval(ends: tuple[float, float] | None, scale: Scale) -> list[Note]:
    """Return the interval, shorter than in tables."""
    if ends is None:
        return []
    low, high = (f"{100 * end:.1f}" if scale.in_points else f"{end:.3f}" for end in ends)
    return [("95 % interval", f"{low} to {high}")]


def _notes(controls: Controls, name: str, scale: Scale) -> list[Note]:
    return [(control, points(value, scale=scale)) for control, value in controls.scores(name).items()]
