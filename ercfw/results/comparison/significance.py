"""Uncertainty of the mean scores in a table: their intervals, and tests of their differences.

A line of the table is a recipe's runs, ``[S, K, ...]``: sums of S seeds in K conversations, such as confusion counts.
Its mean score would be another one with other conversations and with other seeds:

- Conversations are drawn anew, whole, because their utterances depend on each other. All lines share the draws.
- The variance over seeds, divided by S, is that of the mean. A few seeds estimate it roughly. A line whose variance is
  below the one pooled over the lines of the table therefore takes the pooled one. That is their mean or, if smaller,
  their median: a single line that varies much, such as one modality alone, must not widen all other intervals.

Each of the two has a half-width by itself, from Student's t. The half-width of an interval is the root of the sum of
their squares (method of variance estimates recovery; Zou and Donner, 2008).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import chdtri, stdtrit

from ercfw.contract.metric import SHARE, Scale
from ercfw.results.comparison.confusion_counts import Array, Score

SAMPLES = 2000
"""Number of bootstrap samples of the conversations."""
FEW_SAMPLES = 200
"""Number of samples for scores that are no function of sums; their variance is then known to some 10 %."""
AT_ONCE = 500
FEWEST = 2
"""Minimum number of seeds of a line, and of conversations, for an interval."""
LEVEL = 0.05
SMALLEST_P = 1e-12
EFFICIENCY = 2 / np.pi
"""Share of the degrees of freedom that a median keeps, compared with a mean."""


@dataclass(frozen=True)
class SampledScore:
    """A score of one line.

    Attributes:
        seeds: the score of each seed, ``[S]``.
        samples: the mean score over seeds in samples of the conversations, ``[R]``.
        conversations: the number of conversations.
        scale: how the score is read.
    """

    seeds: Array
    samples: Array
    conversations: int
    scale: Scale = SHARE


@dataclass(frozen=True)
class Difference:
    """Difference between the mean scores of two lines.

    Attributes:
        value: the difference of the means, in the score's own unit (of a share, 1 = 100 points).
        low: the lower end of the simultaneous 95 % interval.
        high: the upper end of the interval.
        p: the p of the test that the means are equal, adjusted for the number of comparisons (Holm, 1979).
    """

    value: float
    low: float
    high: float
    p: float

    @property
    def is_significant(self) -> bool:
        """Return whether the test shows a difference."""
        return self.p < LEVEL


@dataclass(frozen=True)
class MeanScores:
    """The mean scores of the lines of a table, in one score, with their uncertainty.

    Attributes:
        means: the mean over seeds of each line, ``[L]``.
        by_conversations: the covariance of the means over samples of the conversations, ``[L, L]``.
        by_seeds: the variance of each mean over seeds, ``[L]``.
        degrees: the degrees of freedom of the two.
        scale: how the score is read.
    """

    means: Array
    by_conversations: Array
    by_seeds: Array
    degrees: tuple[int, int]
    scale: Scale = SHARE

    def interval(self, line: int) -> tuple[float, float]:
        """Return the 95 % interval of a line's mean; it ends where the scores do, such as at 0 and 1."""
        variances = self.by_conversations[line, line], self.by_seeds[line]
        half = float(_half_width(np.asarray(LEVEL), *variances, self.degrees))
        return bounded(float(self.means[line]), half, self.scale)

    def differences(self, reference: int) -> list[Difference]:
        """Return the differences of the other lines from ``reference``; the intervals hold together, as the p do."""
        others = np.array([line for line in range(len(self.means)) if line != reference], int)
        values = self.means[others] - self.means[reference]
        variances = self._variances(others, np.full(len(others), reference))
        half = _half_width(np.asarray(LEVEL / max(len(others), 1)), *variances, self.degrees)
        ps = holm(_p(np.abs(values), *variances, self.degrees))
        ends = zip(values, values - half, values + half, ps, strict=True)
        return [Difference(float(value), float(low), float(high), float(p)) for value, low, high, p in ends]

    def best(self) -> set[int]:
        """Return the lines that no other line surpasses significantly, in tests of all pairs (Holm, 1979)."""
        one, other = np.triu_indices(len(self.means), 1)
        values = self.means[one] - self.means[other]
        ps = holm(_p(np.abs(values), *self._variances(one, other), self.degrees))
        is_one = values > 0 if self.scale.lower_is_better else values < 0
        surpassed = np.where(is_one, one, other)[ps < LEVEL]
        return set(range(len(self.means))) - set(surpassed.tolist())

    def _variances(self, one: NDArray[np.int64], other: NDArray[np.int64]) -> tuple[Array, Array]:
        """Return the variances of the differences over conversations and over seeds: ``[P], [P]``."""
        own = np.diagonal(self.by_conversations)
        by_conversations = own[one] + own[other] - 2 * self.by_conversations[one, other]
        return np.maximum(by_conversations, 0), self.by_seeds[one] + self.by_seeds[other]


def bounded(mean: float, half: float, scale: Scale) -> tuple[float, float]:
    """Return the interval around a mean, cut where the scores end."""
    low = mean - half if scale.lowest is None else max(scale.lowest, mean - half)
    return low, mean + half if scale.highest is None else min(scale.highest, mean + half)


def draw_conversations(conversations: int) -> Array:
    """Return how often each conversation is in each bootstrap sample, ``[R, K]``; all lines of a table share it."""
    rng = np.random.default_rng(0)
    return rng.multinomial(conversations, np.full(conversations, 1 / conversations), SAMPLES).astype(float)  # [R, K]


def sample_scores(runs: Array, scores: Sequence[Score], drawn: Array) -> list[SampledScore]:
    """Sample the scores of a line from its sums: ``[S, K, ...], [R, K] -> [S]`` and ``[R]`` for each score."""
    samples = np.mean([_sample(drawn, run, scores) for run in runs], axis=0)  # [scores, R]
    return [
        SampledScore(score(runs.sum(1)), of_score, runs.shape[1])
        for score, of_score in zip(scores, samples, strict=True)
    ]


def sample_function(score: Callable[[Sequence[int]], Array], conversations: int, drawn: Array) -> SampledScore:
    """Sample a score that is no function of sums; it takes long, so fewer samples are drawn.

    Args:
        score: returns the score of each seed, ``[S]``, over conversations, by their numbers; one may occur repeatedly.
        conversations: K, the number of conversations.
        drawn: ``[R, K]``, how often each conversation is in each sample.
    """
    numbers = np.arange(conversations)
    samples = [score(np.repeat(numbers, counts.astype(int)).tolist()).mean() for counts in drawn[:FEW_SAMPLES]]
    return SampledScore(score(numbers.tolist()), np.array(samples), conversations)


def _sample(drawn: Array, run: Array, scores: Sequence[Score]) -> Array:
    """Compute the scores under each weighting of conversations: ``[R, K], [K, ...] -> [scores, R]``."""
    sampled = []
    for start in range(0, len(drawn), AT_ONCE):
        sums = (drawn[start : start + AT_ONCE] @ run.reshape(len(run), -1)).reshape(-1, *run.shape[1:])
        sampled.append([score(sums) for score in scores])
    return np.concatenate(sampled, axis=1)


def mean_scores(lines: Sequence[SampledScore]) -> MeanScores:
    """Estimate the uncertainty of the mean scores of lines that were scored on the same conversations.

    Each line needs at least two seeds, and there must be at least two conversations.
    """
    seeds = np.array([len(line.seeds) for line in lines])
    conversations = lines[0].conversations
    own = np.array([line.seeds.var(ddof=1) for line in lines])  # [L]
    free = seeds - 1
    mean = (free * own).sum() / free.sum()
    median = np.median(own * free / chdtri(free, 0.5))  # over the median of a sample if the variance is 1
    pooled, efficiency = min((mean, 1.0), (median, EFFICIENCY), key=lambda pair: pair[0])
    covariance = np.atleast_2d(np.cov([line.samples for line in lines])) * conversations / (conversations - 1)
    return MeanScores(
        means=np.array([line.seeds.mean() for line in lines]),
        by_conversations=covariance,
        by_seeds=np.maximum(own, pooled) / seeds,
        degrees=(conversations - 1, max(1, int(efficiency * free.sum()))),
        scale=lines[0].scale,
    )


def half_width_over(score: SampledScore) -> float:
    """Return the half-width of the 95 % interval of a mean over conversations, of which there are at least two.

    It holds for these seeds: it does not contain their variance.
    """
    variance = score.samples.var(ddof=1) * score.conversations / (score.conversations - 1)
    return float(-stdtrit(score.conversations - 1, LEVEL / 2) * np.sqrt(variance))


def _half_width(level: Array, by_conversations: Array, by_seeds: Array, degrees: tuple[int, int]) -> Array:
    """Return the half-width of intervals that miss with probability ``level``."""
    of_conversations, of_seeds = (stdtrit(each, level / 2) for each in degrees)
    half: Array = np.sqrt(of_conversations**2 * by_conversations + of_seeds**2 * by_seeds)
    return half


def _p(distances: Array, by_conversations: Array, by_seeds: Array, degrees: tuple[int, int]) -> Array:
    """Return the p of each distance: the level whose half-width it is, found by bisection of its logarithm."""
    low, high = np.full_like(distances, np.log(SMALLEST_P)), np.zeros_like(distances)
    for _ in range(40):
        middle = (low + high) / 2
        beyond = distances > _half_width(np.exp(middle), by_conversations, by_seeds, degrees)
        low, high = np.where(beyond, low, middle), np.where(beyond, middle, high)
    p: Array = np.exp(high)
    return p


def holm(ps: Array) -> Array:
    """Return p values adjusted by Holm (1979), so that a level holds for all of them together: ``[P] -> [P]``."""
    order = np.argsort(ps, kind="stable")
    raised = np.maximum.accumulate((len(ps) - np.arange(len(ps))) * ps[order])
    adjusted = np.empty_like(ps)
    adjusted[order] = np.minimum(raised, 1)
    return adjusted
