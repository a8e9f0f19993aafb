"""What can be told apart: intervals and tests for the difference of two recipes' mean scores over seeds.

A recipe's runs are ``[S, K, C, C]``: the confusion counts of S seeds in K conversations. Conversations are drawn whole,
for their utterances hang together. Seeds of different recipes are no pairs. No rank test over seeds is offered: with
five seeds a side, the smallest p of Wilcoxon's is .0625.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ercfw.results.comparison.confusion_counts import Array, Score

TIMES = 2000
"""Bootstrap samples."""
SHUFFLES = 5000
"""Exchanges of the randomisation."""
AT_ONCE = 500
FEWEST_SEEDS = 3
"""A claim needs so many on either side."""
LEVEL = 0.05


@dataclass(frozen=True)
class Difference:
    """How far one recipe's mean score is above another's.

    Attributes:
        value: of the means, in the score's own unit (1 = 100 points).
        low: the lower end of the 95 % interval.
        high: its upper end.
        p: of the randomisation; adjusted where several were compared.
    """

    value: float
    low: float
    high: float
    p: float

    @property
    def is_told_apart(self) -> bool:
        """Whether both the interval and the test say so."""
        return self.p < LEVEL and not self.low <= 0 <= self.high

    def __neg__(self) -> "Difference":
        return Difference(-self.value, -self.high, -self.low, self.p)


def mean_score(runs: Array, score: Score) -> float:
    """The mean over seeds: ``[S, K, C, C] -> `` a number."""
    return float(score(runs.sum(1)).mean())


def resample(runs: Array, score: Score, recipe: int) -> Array:
    """Mean scores of bootstrap samples at two levels, conversations and then seeds: ``[S, K, C, C] -> [R]``.

    All recipes share the draws of conversations, for these are the same ones; each draws seeds for itself, by the
    number ``recipe``. A few seeds drawn from themselves vary too little, by (S - 1) / S; their deviations from the
    mean are stretched by the root of what is missing (Rao and Wu, 1988).
    """
    seeds, conversations = runs.shape[:2]
    rng, own = np.random.default_rng(0), np.random.default_rng([1, recipe])
    drawn = rng.multinomial(conversations, np.full(conversations, 1 / conversations), TIMES).astype(float)  # [R, K]
    scores = np.stack([_each(drawn, run, score) for run in runs])  # [S, R]
    shares = own.multinomial(seeds, np.full(seeds, 1 / seeds), TIMES).T / seeds  # [S, R]
    mean = scores.mean(0)  # [R]
    stretch = np.sqrt(seeds / (seeds - 1)) if seeds > 1 else 0.0
    result: Array = mean + stretch * ((shares * scores).sum(0) - mean)  # [R]
    return result


def _each(weights: Array, run: Array, score: Score) -> Array:
    """The score of each weighting of conversations: ``[R, K], [K, C, C] -> [R]``."""
    size, classes = run.shape[0], run.shape[-1]
    parts = [weights[start : start + AT_ONCE] @ run.reshape(size, -1) for start in range(0, len(weights), AT_ONCE)]
    return np.concatenate([score(part.reshape(-1, classes, classes)) for part in parts])


def randomise(one: Array, other: Array, score: Score) -> float:
    """The p of approximate randomisation by conversation (Noreen, 1989): ``[S, K, C, C], [S', K, C, C] -> `` a number.

    Were the recipes alike, all answers to a conversation could as well have been the other's. So they are exchanged,
    conversation by conversation, at random; p is how often the means then lie as far apart as they do. Which run takes
    the place of which is drawn anew for every 500 exchanges.
    """
    seen = abs(mean_score(one, score) - mean_score(other, score))
    rng = np.random.default_rng(0)
    beyond = 0
    for _ in range(SHUFFLES // AT_ONCE):
        exchanged = rng.integers(0, 2, (AT_ONCE, one.shape[1])).astype(float)  # [R, K]
        first = _mixed(one, other[_partners(rng, len(one), len(other))], exchanged, score)  # [R]
        second = _mixed(other, one[_partners(rng, len(other), len(one))], exchanged, score)  # [R]
        beyond += int((np.abs(first - second) >= seen - 1e-12).sum())
    return (1 + beyond) / (1 + SHUFFLES)


def _partners(rng: np.random.Generator, these: int, others: int) -> NDArray[np.int64]:
    """For each of these runs one of the others, all of them equally often, as far as that goes."""
    rounds = [rng.permutation(others) for _ in range(-(-these // others))]
    return np.concatenate(rounds)[:these]


def _mixed(mine: Array, theirs: Array, exchanged: Array, score: Score) -> Array:
    """Mean scores over seeds, with theirs in the place of mine where a conversation is exchanged: ``[R]``."""
    pairs = zip(mine, theirs, strict=True)
    mixed: Array = np.mean([_sum_scores(exchanged, run, partner, score) for run, partner in pairs], axis=0)  # [R]
    return mixed


def _sum_scores(exchanged: Array, run: Array, partner: Array, score: Score) -> Array:
    classes = run.shape[-1]
    change = exchanged @ (partner - run).reshape(len(run), -1)  # [R, C * C]
    return score(run.sum(0) + change.reshape(-1, classes, classes))


def holm(ps: Sequence[float]) -> list[float]:
    """Holm's adjustment (1979): compared with a level, the adjusted p keep it for all of them together."""
    adjusted, highest = [1.0] * len(ps), 0.0
    for rank, place in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        highest = max(highest, (len(ps) - rank) * ps[place])
        adjusted[place] = min(1.0, highest)
    return adjusted


def differences(runs: Array, others: Sequence[Array], score: Score) -> list[Difference]:
    """How far ``runs`` are above each of the others, p adjusted over them.

    With fewer than three seeds on a side p is 1, so that nothing is told apart.
    """
    mine, samples = mean_score(runs, score), resample(runs, score, 0)
    ps = [randomise(runs, each, score) if min(len(runs), len(each)) >= FEWEST_SEEDS else 1.0 for each in others]
    found = []
    for number, (other, p) in enumerate(zip(others, holm(ps), strict=True), 1):
        low, high = np.quantile(samples - resample(other, score, number), [LEVEL / 2, 1 - LEVEL / 2])
        found.append(Difference(mine - mean_score(other, score), float(low), float(high), p))
    return found
