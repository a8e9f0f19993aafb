"""Tables of how two variants agree: utterances that both, one or neither of them predicts correctly."""

from collections.abc import Sequence
from typing import Any

from ercfw.report.blocks import Grid
from ercfw.results.comparison.agreement import PairAgreement


def agreement_rows(pairs: Sequence[PairAgreement]) -> list[dict[str, Any]]:
    """Return one row per pair, with readable headings as keys."""
    return [
        {
            "variant A": pair.first,
            "variant B": pair.second,
            "both correct": pair.both,
            "only A correct": pair.only_first,
            "only B correct": pair.only_second,
            "neither correct": pair.neither,
        }
        for pair in pairs
    ]


def agreement_grid(pairs: Sequence[PairAgreement]) -> Grid:
    """Return the table of a report; it has no rows without pairs."""
    rows = agreement_rows(pairs)
    return Grid(list(rows[0]) if rows else [], [[str(value) for value in row.values()] for row in rows])


def agreement_record(pair: PairAgreement) -> dict[str, str | int]:
    """Return a pair for JSON."""
    return {
        "one": pair.first,
        "other": pair.second,
        "both right": pair.both,
        "only one": pair.only_first,
        "only the other": pair.only_second,
        "neither": pair.neither,
    }
