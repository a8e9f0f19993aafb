"""Estimates of the mean scores of a table's lines, with their uncertainty."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ercfw.contract.metric import Scale
from ercfw.results.comparison.confusion_counts import Array, Score
from ercfw.results.comparison.row_scores import LineScore
from ercfw.results.comparison.significance import (
    FEWEST,
    MeanScores,
    SampledScore,
    draw_conversations,
    mean_scores,
    sample_function,
    sample_scores,
)


@dataclass(frozen=True)
class Estimate:
    """The mean scores of those lines that have enough seeds, by their places in the table."""

    places: Sequence[int]
    scores: MeanScores


def estimate_scores(
    sums: Sequence[Array],
    scores: Sequence[Score | None],
    scales: Sequence[Scale],
    by_rows: Sequence[Sequence[LineScore] | None],
) -> list[Estimate | None]:
    """Return an estimate for each score.

    Args:
        sums: the sums of each line, ``[S, K, ...]``.
        scores: for each score, the function of sums that it is; None = it is none.
        scales: how each score is read.
        by_rows: for each score, the function that scores conversations of each line; None = it is not known.
    """
    places = [place for place, runs in enumerate(sums) if min(runs.shape[:2]) >= FEWEST]
    if not places:
        return [None] * len(scores)
    conversations = sums[places[0]].shape[1]
    drawn = draw_conversations(conversations)
    known = [score for score in scores if score is not None]
    summed = iter(zip(*(sample_scores(sums[place], known, drawn) for place in places), strict=True))
    found: list[Estimate | None] = []
    for score, scale, of_lines in zip(scores, scales, by_rows, strict=True):
        lines: Sequence[SampledScore] | None = None
        if score is not None:
            lines = next(summed)
        elif of_lines is not None:
            lines = [sample_function(of_lines[place], conversations, drawn) for place in places]
        scaled = [replace(line, scale=scale) for line in lines] if lines is not None else None
        found.append(Estimate(places, mean_scores(scaled)) if scaled is not None else None)
    return found
