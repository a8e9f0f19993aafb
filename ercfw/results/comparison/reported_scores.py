"""Scores reported by others, shown beside own results only if data and protocol match."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from ercfw.contract.reported_scores import Quoted
from ercfw.registry.catalog import Catalog
from ercfw.results.comparison.result_table import Cell, ResultLine, ResultTable
from ercfw.results.finished_run import FinishedRun


def with_quoted(table: ResultTable, run: FinishedRun, known: Sequence[Quoted]) -> ResultTable:
    """Add comparable reported scores above the table's own lines, with notes on sources and exclusions.

    Args:
        table: a table of the test split.
        run: one of the runs in the table.
        known: the scores that plugins quote.
    """
    dataset = run.metrics.dataset
    of_corpus = [each for each in known if (each.dataset, each.target) == (dataset, table.target)]
    if table.split != "test" or run.metrics.data.simulated or not of_corpus:
        return table
    labels = run.metrics.sizes["test"]["labels"]
    lines, notes, left_out = [], [], []
    for each in of_corpus:
        if each.protocol != run.metrics.protocol:
            why = f"they follow protocol {each.protocol}, and these runs protocol {run.metrics.protocol}"
        elif each.utterances != labels:
            why = f"they cover {each.utterances} utterances, and these runs {labels}"
        else:
            notes.append(f"Quoted from {each.source}, not measured here: {', '.join(each.scores)}.")
            lines += [_line(method, scores, table.columns) for method, scores in each.scores.items()]
            continue
        left_out.append(f"The scores of {each.source} are not shown: {why}.")
    return replace(table, lines=[*lines, *table.lines], notes=[*table.notes, *notes], left_out=left_out)


def _line(method: str, scores: Mapping[str, float], columns: Sequence[str]) -> ResultLine:
    cells = [Cell(scores[column] / 100) if column in scores else None for column in columns]
    return ResultLine(f"{method} (quoted)", cells, 0)


def find_quoted(catalog: Catalog) -> tuple[list[Quoted], list[str]]:
    """Return the scores that installed plugins quote, and the plugins that failed."""
    answers, failures = catalog.ask("quote_scores")
    return [each for answer in answers for each in answer], failures
