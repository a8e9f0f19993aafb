"""Scores reported by others, shown beside own results if data and protocol match, or below them on request."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ercfw.contract.reported_scores import Quoted
from ercfw.registry.catalog import Catalog
from ercfw.results.comparison.result_table import Cell, ResultLine, ResultTable
from ercfw.results.finished_run import FinishedRun

QUOTE = "ercfw compare --quote shows them below the runs"
OTHER = "The quoted rows at the end follow another protocol than these runs: do not compare the two."


def with_quoted(
    table: ResultTable, runs: Sequence[FinishedRun], known: Sequence[Quoted], quote: bool = False
) -> ResultTable:
    """Add reported scores to the table's own lines, with notes on sources and exclusions.

    Scores of the same protocol go above the own lines. A line states its streams if not all runs read the same ones.

    Args:
        table: a table of the test split.
        runs: the runs in the table, all of the same data and protocol.
        known: the scores that plugins quote.
        quote: whether scores of another protocol go below the own lines; otherwise they are left out.
    """
    metrics = runs[0].metrics
    of_corpus = [each for each in known if (each.dataset, each.target) == (metrics.dataset, table.target)]
    if why_none := _why_none(table, runs, of_corpus):
        return replace(table, left_out=[f"No quoted scores are shown: {why_none}."]) if quote else table
    labels = int(runs[0].answers(table.split, table.target).labelled.sum())
    above: list[ResultLine] = []
    below: list[ResultLine] = []
    shown: list[Quoted] = []
    left_out = []
    for each in of_corpus:
        same_protocol = each.protocol == metrics.protocol
        if each.classes and {*each.classes} != {*table.classes}:
            why = "they have other classes than these runs"
        elif each.utterances != labels:
            why = f"they cover {each.utterances} utterances, and these runs {labels}"
        elif not same_protocol and not quote:
            why = f"they follow protocol {each.protocol}, and these runs protocol {metrics.protocol}; {QUOTE}"
        else:
            (above if same_protocol else below).extend(_lines(each, runs, table))
            shown.append(each)
            continue
        left_out.append(f"The scores of {each.source} are not shown: {why}.")
    return replace(
        table,
        lines=[*above, *table.lines, *below],
        notes=[*table.notes, *_notes(shown), *([OTHER] if below else [])],
        left_out=[*dict.fromkeys(left_out)],
    )


def _why_none(table: ResultTable, runs: Sequence[FinishedRun], of_corpus: Sequence[Quoted]) -> str:
    """Return why the table cannot have quoted lines; empty if it can."""
    if not of_corpus:
        return f"no plugin quotes any for {runs[0].metrics.dataset} and the target {table.target}"
    # One simulated run is enough: nobody may take its scores for results on the corpus.
    if any(run.metrics.data.simulated for run in runs):
        return "these runs used simulated data"
    return "" if table.split == "test" else f"they are for test, and this table is for {table.split}"


def _lines(quoted: Quoted, runs: Sequence[FinishedRun], table: ResultTable) -> list[ResultLine]:
    """Return a line per method; its name has what sets the method apart from the runs."""
    protocol = [f"protocol {quoted.protocol}"] if quoted.protocol != runs[0].metrics.protocol else []
    lines = []
    for method, scores in quoted.scores.items():
        streams = quoted.streams.get(method, ())
        differs = bool(streams) and any(set(run.metrics.streams) != set(streams) for run in runs)
        marks = ["quoted", *([", ".join(streams)] if differs else []), *protocol]
        lines.append(_line(f"{method} ({'; '.join(marks)})", scores, table))
    return lines


def _line(name: str, scores: Mapping[str, float], table: ResultTable) -> ResultLine:
    """Return a line of quoted scores: shares come in points, and other scores in their own unit."""
    units = {column: 100 if table.scale(column).in_points else 1 for column in table.columns}
    return ResultLine(name, [Cell(scores[c] / unit) if c in scores else None for c, unit in units.items()], 0)


def _notes(shown: Sequence[Quoted]) -> list[str]:
    """Return a note per source and protocol, with the streams and features of its methods."""
    by_source: dict[tuple[str, str], list[str]] = {}
    for each in shown:
        by_source.setdefault((each.source, each.protocol), []).extend(_inputs(each))
    return [
        f"Quoted from {source}, not measured here (protocol {protocol}): {'; '.join(methods)}."
        for (source, protocol), methods in by_source.items()
    ]


def _inputs(quoted: Quoted) -> list[str]:
    """Return the methods of a table, grouped by what they read."""
    groups: dict[str, list[str]] = {}
    for method in quoted.scores:
        streams = ", ".join(quoted.streams.get(method, ())) or "streams not stated"
        features = f"features: {quoted.features[method]}" if method in quoted.features else "features not stated"
        groups.setdefault(f"{streams}; {features}", []).append(method)
    return [f"{', '.join(methods)} ({inputs})" for inputs, methods in groups.items()]


def find_quoted(catalog: Catalog) -> tuple[list[Quoted], list[str]]:
    """Return the scores that installed plugins quote, and the plugins that failed."""
    answers, failures = catalog.ask("quote_scores")
    return [each for answer in answers for each in answer], failures
