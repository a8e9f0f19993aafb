"""Build tables for the terminal and for ``report.md``."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich import box
from rich.table import Table
from rich.text import Text

from ercfw.contract.metric import Scale
from ercfw.errors import shown
from ercfw.results.points import points, points_over_seeds
from ercfw.results.run_metrics import RunMetrics

SPLIT = "test"
"""The split that the pages of reports are about."""
ScoreRow = tuple[str, list[str]]
"""The name of a score, and one cell per split."""
ScoreName = tuple[str, ...]
"""(target, metric), or (target, metric, class)."""


def score_rows(metrics: RunMetrics) -> tuple[list[str], list[ScoreRow]]:
    """Return the scored splits, and one row per single-number metric."""
    named = [(name, _cells(metrics, name)) for name in _names(metrics) if len(name) == 2]
    first = _first(metrics)
    return list(metrics.scores), [(" ".join(name[name[0] == first :]), values) for name, values in named]


def class_rows(metrics: RunMetrics) -> dict[tuple[str, str], list[ScoreRow]]:
    """Return one row per class, for each (target, metric) with one number per class."""
    found: dict[tuple[str, str], list[ScoreRow]] = {}
    for name in _names(metrics):
        if len(name) == 3:
            found.setdefault((name[0], name[1]), []).append((name[2], _cells(metrics, name)))
    return found


def _names(metrics: RunMetrics) -> list[ScoreName]:
    """Return the names of all metrics in any split, in order."""
    found: dict[ScoreName, None] = {}
    for scores in metrics.scores.values():
        for target, of_target in scores.items():
            for metric, value in of_target.items():
                keys = [(target, metric, c) for c in value] if isinstance(value, dict) else [(target, metric)]
                found.update(dict.fromkeys(keys))
    return list(found)


def _cells(metrics: RunMetrics, name: ScoreName) -> list[str]:
    return [_cell(scores, name, metrics.scale(name[1])) for scores in metrics.scores.values()]


def _first(metrics: RunMetrics) -> str:
    return str(next(iter(next(iter(metrics.scores.values()))), "")) if metrics.scores else ""


def _cell(scores: Mapping[str, Any], name: ScoreName, scale: Scale) -> str:
    value: Any = scores
    for key in name:
        if not isinstance(value, Mapping) or key not in value:
            return points(None)
        value = value[key]
    return points(value, scale=scale)


def run_table(metrics: RunMetrics) -> Table:
    """Return the table of one run: the scores per class and the single-number scores of each split."""
    splits, rows = score_rows(metrics)
    table = Table(title=Text(headline(metrics)), box=box.SIMPLE_HEAD, title_style="bold")
    table.add_column("score")
    for split in splits:
        table.add_column(Text(split), justify="right")
    for (target, metric), by_class in class_rows(metrics).items():
        for name, values in by_class:
            table.add_row(Text(shown(" ".join([target, metric, name][target == _first(metrics) :]))), *values)
    table.add_section()
    for name, values in rows:
        table.add_row(Text(name), *values)
    return table


def headline(metrics: RunMetrics) -> str:
    """Return the title of a run's scores: recipe, variant, seed, protocol and stamps."""
    stamps = "".join(f" [{stamp}]" for stamp in metrics.stamps)
    title, variant = shown(metrics.title), shown(metrics.variant)
    return f"{title}: {variant}, seed {metrics.seed}, protocol {metrics.protocol}{stamps}"


def summary_tables(results: Sequence[RunMetrics]) -> list[Table]:
    """Return the mean and standard deviation over the seeds of each variant, one row per split and target.

    Targets with the same metrics share a table.
    """
    alike: dict[tuple[str, ...], list[str]] = {}
    for target in dict.fromkeys(target for run in results for of in run.scores.values() for target in of):
        alike.setdefault(tuple(_plain_metrics(results, target)), []).append(target)
    return [_summary_table(results, metrics, targets) for metrics, targets in alike.items()]


def _summary_table(results: Sequence[RunMetrics], metrics: Sequence[str], targets: Sequence[str]) -> Table:
    table = Table(title=Text(f"{shown(results[0].title)}: mean and standard deviation over seeds"), box=box.SIMPLE_HEAD)
    for name in ("variant", "seeds", "split"):
        table.add_column(name)
    for metric in metrics:
        table.add_column(metric, justify="right", no_wrap=True)
    for variant, runs in _by_variant(results):
        stamps = "".join(f" [{stamp}]" for stamp in runs[0].stamps)
        scored = [(split, target) for split, target in _scored(runs) if target in targets]
        for number, (split, target) in enumerate(scored):
            found = [[run.score(split, target, metric) for run in runs] for metric in metrics]
            cells = [
                points_over_seeds([value for value in values if value is not None], runs[0].scale(metric))
                for metric, values in zip(metrics, found, strict=True)
            ]
            of = f"{split} {target}" if len(_scored(runs)) > len(runs[0].scores) else split
            named = (Text(variant + stamps), str(len(runs))) if number == 0 else ("", "")
            table.add_row(*named, Text(of), *cells)
    return table


def _plain_metrics(results: Sequence[RunMetrics], target: str) -> list[str]:
    """Return the single-number metrics of a target; the one that selects the epoch comes first."""
    scores = [split[target] for run in results for split in run.scores.values() if target in split]
    names = dict.fromkeys(name for each in scores for name, value in each.items() if not isinstance(value, dict))
    chosen = results[0].select.partition(".")[2]
    return sorted(names, key=lambda name: name != chosen)


def _scored(runs: Sequence[RunMetrics]) -> list[tuple[str, str]]:
    return list(dict.fromkeys((split, target) for run in runs for split, of in run.scores.items() for target in of))


def _by_variant(results: Sequence[RunMetrics]) -> Iterator[tuple[str, list[RunMetrics]]]:
    for variant in dict.fromkeys(run.variant for run in results):
        yield variant, [run for run in results if run.variant == variant]


def features_table(modalities: Sequence[Mapping[str, Any]]) -> Table:
    """Return a table of the features that each extractor of a recipe produced."""
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("modality")
    table.add_column("extractor")
    for heading in ("width", "utterances", "present", "broken", "seconds"):
        table.add_column(heading, justify="right")
    table.add_column("file or stamps", overflow="fold")
    for found in modalities:
        numbers = [found["dim"], found["utterances"], found["present"], len(found["broken"])]
        where = ", ".join([*([found["file"]] if found["file"] else []), *found["stamps"]])
        row = [found["modality"], found["extractor"], *map(str, numbers), f"{found['seconds']:.1f}", where]
        table.add_row(*(Text(shown(cell)) for cell in row))
    return table


def plain_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Return a table of rows that have the same keys; the keys become the column headings."""
    table = Table(box=box.SIMPLE_HEAD)
    for heading in rows[0] if rows else ():
        table.add_column(heading, overflow="fold", justify="left" if isinstance(rows[0][heading], str) else "right")
    for row in rows:
        table.add_row(*(Text(shown(str(cell))) for cell in row.values()))
    return table
