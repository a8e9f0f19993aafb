"""Significance: intervals and tests for the difference of two recipes' mean scores over seeds.

A recipe's runs are ``[S, K, C, C]``: the confusion counts of S seeds in K conversations. Conversations are drawn whole,
because their utterances depend on each other. Seeds of different recipes are not paired. There is no rank test over
seeds: with three seeds per recipe, the smallest possible p of the rank-sum test is .1.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ercfw.results.comparison.confusion_counts import Array, Score

TIMES = 2000
"""Number of bootstrap samples."""
SHUFFLES = 5000
"""Number of random exchanges in the randomisation test."""
AT_ONCE = 500
FEWEST_SEEDS = 3
"""Minimum number of seeds on each side of a claim."""
LEVEL = 0.05


@dataclass(frozen=True)
class Difference:
    """Difference between the mean scores of two recipes.

    Attributes:
        value: the difference of the means, in the score's own unit (1 = 100 points).
        low: the lower end of the 95 % interval.
        high: the upper end of the interval.
        p: the p of the randomisation test; adjusted if several recipes were compared.
    """

    value: float
    low: float
    high: float
    p: float

    @property
    def is_significant(self) -> bool:
        """Return whether both the interval and the test show a difference."""
        return self.p < LEVEL and not self.low <= 0 <= self.high

    def __neg__(self) -> "Difference":
        return Difference(-self.value, -self.high, -self.low, self.p)


def mean_score(runs: Array, score: Score) -> float:
    """Return the mean score over seeds: ``[S, K, C, C] -> `` a number."""
    return float(score(runs.sum(1)).mean())


def resample(runs: Array, score: Score, recipe: int) -> Array:
    """Return mean scores of two-level bootstrap samples, conversations then seeds: ``[S, K, C, C] -> [R]``.

    All recipes share the draws of conversations, because their conversations are the same. Each recipe draws its own
    seeds, by the number ``recipe``. The variance of a few resampled seeds is too small, by (S - 1) / S. Their
    deviations from the mean are therefore scaled by the square root of S / (S - 1) (Rao and Wu, 1988).
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
    """Compute the score under each weighting of conversations: ``[R, K], [K, C, C] -> [R]``."""
    size, classes = run.shape[0], run.shape[-1]
    parts = [weights[start : start + AT_ONCE] @ run.reshape(size, -1) for start in range(0, len(weights), AT_ONCE)]
    return np.concatenate([score(part.reshape(-1, classes, classes)) for part in parts])


def randomise(one: Array, other: Array, score: Score) -> float:
    """Return p by approximate randomisation (Noreen, 1989): ``[S, K, C, C], [S', K, C, C] -> `` a number.

    If the recipes were equal, their predictions for a conversation would be interchangeable. The test therefore
    exchanges them at random, conversation by conversation. p is the share of exchanges, the observed one included, in
    which the means differ at least as much as observed. The pairing of runs is drawn again for every 500 exchanges.
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
    """Draw a partner for each run from the other runs, using all of these as equally often as possible."""
    rounds = [rng.permutation(others) for _ in range(-(-these // others))]
    return np.concatenate(rounds)[:these]


def _mixed(mine: Array, theirs: Array, exchanged: Array, score: Score) -> Array:
    """Return mean scores over seeds, with ``theirs`` replacing ``mine`` in exchanged conversations: ``[R]``."""
    pairs = zip(mine, theirs, strict=True)
    mixed: Array = np.mean([_sum_scores(exchanged, run, partner, score) for run, partner in pairs], axis=0)  # [R]
    return mixed


def _sum_scores(exchanged: Array, run: Array, partner: Array, score: Score) -> Array:
    classes = run.shape[-1]
    change = exchanged @ (partner - run).reshape(len(run), -1)  # [R, C * C]
    return score(run.sum(0) + change.reshape(-1, classes, classes))


def holm(ps: Sequence[float]) -> list[float]:
    """Return p values adjusted by Holm (1979), so that a level holds for all of them together."""
    adjusted, highest = [1.0] * len(ps), 0.0
    for rank, place in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        highest = max(highest, (len(ps) - rank) * ps[place])
        adjusted[place] = min(1.0, highest)
    return adjusted


def differences(runs: Array, others: Sequence[Array], score: Score) -> list[Difference]:
    """Return the differences of ``runs`` from each of the others, with p adjusted over all of them.

    With fewer than three seeds on a side, p is 1, so that no difference is significant.
    """
    mine, samples = mean_score(runs, score), resample(runs, score, 0)
    ps = [randomise(runs, each, score) if min(len(runs), len(each)) >= FEWEST_SEEDS else 1.0 for each in others]
    found = []
    for number, (other, p) in enumerate(zip(others, holm(ps), strict=True), 1):
        low, high = np.quantile(samples - resample(other, score, number), [LEVEL / 2, 1 - LEVEL / 2])
        found.append(Difference(mine - mean_score(other, score), float(low), float(high), p))
    return found
