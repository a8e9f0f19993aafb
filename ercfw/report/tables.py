"""Tables for the terminal and for ``report.md``; scores in points (hundredths)."""

from collections.abc import Iterator, Mapping, Sequence
from statistics import mean, stdev
from typing import Any

from rich import box
from rich.table import Table

Row = tuple[str, list[str]]
Name = tuple[str, ...]
"""(target, metric), or (target, metric, class)."""


def score_rows(metrics: Mapping[str, Any]) -> tuple[list[str], list[Row]]:
    """The scored splits, and a row for each metric that is one number."""
    named = [(name, _points(metrics, name)) for name in _names(metrics) if len(name) == 2]
    first = _first(metrics)
    return list(metrics["scores"]), [(" ".join(name[name[0] == first :]), values) for name, values in named]


def class_rows(metrics: Mapping[str, Any]) -> dict[tuple[str, str], list[Row]]:
    """A row a class, for each (target, metric) that is a number a class."""
    found: dict[tuple[str, str], list[Row]] = {}
    for name in _names(metrics):
        if len(name) == 3:
            found.setdefault((name[0], name[1]), []).append((name[2], _points(metrics, name)))
    return found


def _names(metrics: Mapping[str, Any]) -> list[Name]:
    """All that any split has, in order."""
    found: dict[Name, None] = {}
    for scores in metrics["scores"].values():
        for target, of_target in scores.items():
            for metric, value in of_target.items():
                keys = [(target, metric, c) for c in value] if isinstance(value, dict) else [(target, metric)]
                found.update(dict.fromkeys(keys))
    return list(found)


def _points(metrics: Mapping[str, Any], name: Name) -> list[str]:
    return [_point(scores, name) for scores in metrics["scores"].values()]


def _first(metrics: Mapping[str, Any]) -> str:
    return str(next(iter(next(iter(metrics["scores"].values()))), "")) if metrics["scores"] else ""


def _point(scores: Mapping[str, Any], name: tuple[str, ...]) -> str:
    value: Any = scores
    for key in name:
        if not isinstance(value, Mapping) or key not in value:
            return "-"
        value = value[key]
    return f"{100 * value:.2f}"


def run_table(metrics: Mapping[str, Any]) -> Table:
    """One run: per-class and other scores of every scored split."""
    splits, rows = score_rows(metrics)
    table = Table(title=headline(metrics), box=box.SIMPLE_HEAD, title_style="bold")
    table.add_column("score")
    for split in splits:
        table.add_column(split, justify="right")
    for (target, metric), by_class in class_rows(metrics).items():
        for name, values in by_class:
            table.add_row(" ".join([target, metric, name][target == _first(metrics) :]), *values)
    table.add_section()
    for name, values in rows:
        table.add_row(name, *values)
    return table


def headline(metrics: Mapping[str, Any]) -> str:
    """What the numbers are: title, variant, seed, protocol, stamps."""
    stamps = "".join(f" [{stamp}]" for stamp in metrics["stamps"])
    return f"{metrics['title']}: {metrics['variant']}, seed {metrics['seed']}, protocol {metrics['protocol']}{stamps}"


def summary_table(results: Sequence[Mapping[str, Any]]) -> Table:
    """Several runs: mean and deviation over the seeds of each variant."""
    table = Table(title=f"{results[0]['title']}: mean and deviation over seeds", box=box.SIMPLE_HEAD)
    names = _summary_names(results)
    table.add_column("variant")
    table.add_column("seeds", justify="right")
    for name in names:
        table.add_column(" ".join(name), justify="right")
    for variant, runs in _by_variant(results):
        stamps = "".join(f" [{stamp}]" for stamp in runs[0]["stamps"])
        cells = [_spread([_value(run, name) for run in runs]) for name in names]
        table.add_row(f"{variant}{stamps}", str(len(runs)), *cells)
    return table


def _summary_names(results: Sequence[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    names: dict[tuple[str, ...], None] = {}
    for run in results:
        for split, scores in run["scores"].items():
            for target, of_target in scores.items():
                plain = [metric for metric, value in of_target.items() if not isinstance(value, dict)]
                many = (target,) if len(scores) > 1 else ()
                names.update(dict.fromkeys((split, *many, metric) for metric in plain))
    return list(names)


def _by_variant(results: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    for variant in dict.fromkeys(run["variant"] for run in results):
        yield variant, [run for run in results if run["variant"] == variant]


def _value(run: Mapping[str, Any], name: tuple[str, ...]) -> float | None:
    scores = run["scores"].get(name[0], {})
    target = name[1] if len(name) == 3 else next(iter(scores), "")
    value = scores.get(target, {}).get(name[-1])
    return None if value is None else 100 * float(value)


def _spread(values: Sequence[float | None]) -> str:
    there = [value for value in values if value is not None]
    if not there:
        return "-"
    return f"{mean(there):.2f}" + (f" +- {stdev(there):.2f}" if len(there) > 1 else "")
