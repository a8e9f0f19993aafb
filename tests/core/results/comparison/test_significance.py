"""Intervals and tests, beside scipy's and cases worked by hand."""

import numpy as np
import pytest
from scipy import stats

from ercfw.results.comparison.confusion_counts import accuracy, of_class, weighted_f1
from ercfw.results.comparison.significance import (
    Difference,
    MeanScores,
    draw_conversations,
    holm,
    mean_scores,
    sample_scores,
)


def right_and_wrong(right: list[int], of: int) -> np.ndarray:
    """One run: so many of the utterances of each conversation are predicted correctly."""
    return np.array([[[[r, of - r], [0, 0]] for r in right]], float)


def estimate(*lines: np.ndarray, score=accuracy) -> MeanScores:
    drawn = draw_conversations(lines[0].shape[1])
    return mean_scores([sample_scores(runs, [score], drawn)[0] for runs in lines])


def of_seeds(*shares: float) -> np.ndarray:
    """Runs whose conversations are all alike, so that only the seeds differ."""
    return np.array([[[[share, 1 - share], [0, 0]]] * 4 for share in shares])


ONE, OTHER = right_and_wrong([9, 8, 7, 9, 6, 8, 9, 7], 10), right_and_wrong([7, 8, 6, 5, 6, 9, 7, 4], 10)


def test_where_only_seeds_vary_it_is_the_t_test():
    one, other = of_seeds(0.61, 0.66, 0.6, 0.65), of_seeds(0.57, 0.62, 0.56, 0.61)  # of the same variance
    (found,) = estimate(other, one).differences(0)
    expected = stats.ttest_ind(one[:, 0, 0, 0], other[:, 0, 0, 0])
    assert found.p == pytest.approx(expected.pvalue, rel=1e-6)
    assert (found.low, found.high) == pytest.approx(expected.confidence_interval(0.95), rel=1e-6)


def test_where_only_conversations_vary_it_is_the_paired_t_test():
    one, other = np.repeat(ONE, 3, 0), np.repeat(OTHER, 3, 0)
    (found,) = estimate(other, one).differences(0)
    expected = stats.ttest_rel(ONE[0, :, 0, 0] / 10, OTHER[0, :, 0, 0] / 10)
    assert found.value == pytest.approx((ONE - OTHER)[0, :, 0, 0].mean() / 10)
    assert (found.low, found.high) == pytest.approx(expected.confidence_interval(0.95), abs=0.01)  # a bootstrap of 2000
    assert found.p == pytest.approx(expected.pvalue, abs=0.01)


def test_the_two_half_widths_add_up_as_squares():
    by_seeds, by_conversations = of_seeds(0.6, 0.65, 0.7), np.repeat(ONE, 3, 0)
    both = MeanScores(
        means=np.array([0.6, 0.7]),
        by_conversations=np.array([[4e-4, 1e-4], [1e-4, 3e-4]]),
        by_seeds=np.array([2e-4, 1e-4]),
        degrees=(30, 4),
    )
    (found,) = both.differences(0)
    half = np.hypot(stats.t.isf(0.025, 30) * (4e-4 + 3e-4 - 2e-4) ** 0.5, stats.t.isf(0.025, 4) * 3e-4**0.5)
    assert (found.low, found.high) == pytest.approx((0.1 - half, 0.1 + half))
    own = np.hypot(stats.t.isf(0.025, 30) * 0.02, stats.t.isf(0.025, 4) * 2e-4**0.5)
    assert both.interval(0) == pytest.approx((0.6 - own, 0.6 + own))
    assert estimate(by_seeds).by_conversations == pytest.approx(0)
    assert estimate(by_conversations).by_seeds == pytest.approx(0)


def test_intervals_of_several_lines_are_as_wide_as_bonferroni_has_it():
    scores = MeanScores(np.array([0.5, 0.6, 0.7, 0.8]), np.zeros((4, 4)), np.full(4, 1e-3), (30, 16))
    half = stats.t.isf(0.025 / 3, 16) * 2e-3**0.5
    assert [(d.low, d.high) for d in scores.differences(0)] == [
        pytest.approx((value - half, value + half)) for value in (0.1, 0.2, 0.3)
    ]


def test_a_line_with_a_small_variance_takes_the_mean_of_all():
    steady, loose = of_seeds(0.59, 0.6, 0.61), of_seeds(0.58, 0.6, 0.62)
    found = estimate(steady, loose)
    own, other = np.var([0.59, 0.6, 0.61], ddof=1), np.var([0.58, 0.6, 0.62], ddof=1)
    assert found.by_seeds == pytest.approx([(own + other) / 2 / 3, other / 3])
    assert found.degrees == (3, 4)


def test_a_single_line_whose_two_seeds_agree_has_an_interval():
    low, high = estimate(of_seeds(0.6, 0.6)).interval(0)
    assert (low, high) == pytest.approx((0.6, 0.6))
    bad = np.repeat(right_and_wrong([2, 9, 4, 7], 10), 2, 0)
    low, high = estimate(bad).interval(0)
    assert low < 0.55 < high


def test_one_unstable_line_does_not_widen_the_intervals_of_the_others():
    steady = [of_seeds(0.6 - step, 0.6, 0.6 + step) for step in (0.01, 0.02, 0.03, 0.04)]
    found = estimate(*steady, of_seeds(0.3, 0.5, 0.7))
    median = np.var([0.57, 0.6, 0.63], ddof=1) * 2 / stats.chi2.median(2)  # of five variances, scaled
    assert found.by_seeds == pytest.approx([median / 3] * 3 + [max(median, 0.04**2) / 3, 0.2**2 / 3])
    assert found.degrees == (3, int(10 * 2 / np.pi))
    lowest, highest = estimate(*steady, of_seeds(0.3, 0.5, 0.7)).interval(0)
    assert highest - lowest < 1.5 * np.diff(estimate(*steady).interval(0)).item()


def test_equal_lines_do_not_differ():
    (found,) = estimate(np.repeat(ONE, 3, 0), np.repeat(ONE, 3, 0)).differences(0)
    assert (found.value, found.p) == (0, 1)
    assert not found.is_significant


def test_what_is_far_apart_is_significant():
    bad, good = np.repeat(right_and_wrong([3] * 20, 10), 3, 0), np.repeat(right_and_wrong([9] * 20, 10), 3, 0)
    scores = estimate(bad, good, score=weighted_f1)
    (found,) = scores.differences(0)
    assert found.is_significant
    assert found.low > 0.3
    assert scores.best() == {1}


def test_a_line_that_one_other_surpasses_is_not_among_the_best():
    means = np.array([0.60, 0.605, 0.50, 0.61])
    scores = MeanScores(means, np.zeros((4, 4)), np.full(4, 1e-5), (30, 16))
    assert scores.best() == {0, 1, 3}
    assert MeanScores(means, np.zeros((4, 4)), np.full(4, 1.0), (30, 16)).best() == {0, 1, 2, 3}
    assert MeanScores(means[:1], np.zeros((1, 1)), np.ones(1), (30, 4)).best() == {0}


def test_a_difference_is_significant_by_its_p():
    assert not Difference(0.1, 0.05, 0.2, p=0.06).is_significant
    assert Difference(0.1, -0.01, 0.2, p=0.01).is_significant


def test_holm_by_hand():
    # sorted: .01 * 4, .02 * 3, .03 * 2 = .06, .04 * 1, each at least the one before
    assert holm(np.array([0.03, 0.01, 0.04, 0.02])) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm(np.array([0.6, 0.9])) == pytest.approx([1.0, 1.0])
    assert len(holm(np.array([]))) == 0


def test_samples_are_those_of_a_loop():
    runs = np.random.default_rng(0).integers(0, 5, (2, 6, 3, 3)).astype(float)
    weighted, second = sample_scores(runs, [weighted_f1, of_class(1)], draw_conversations(6))
    drawn = np.random.default_rng(0).multinomial(6, np.full(6, 1 / 6), 2000)
    for sample in (0, 1, 1999):
        counts = [sum(times * run[place] for place, times in enumerate(drawn[sample])) for run in runs]
        assert weighted.samples[sample] == pytest.approx(np.mean([weighted_f1(each) for each in counts]))
        assert second.samples[sample] == pytest.approx(np.mean([of_class(1)(each) for each in counts]))
    assert weighted.seeds == pytest.approx([weighted_f1(run.sum(0)) for run in runs])


def simulated_runs(rng: np.random.Generator, seeds: int, conversations: int = 60) -> np.ndarray:
    """Simulated: runs of one recipe that differ in how often they are right, and in which conversations."""
    hardness = np.random.default_rng(1).normal(0.7, 0.12, conversations)
    runs = []
    for _ in range(seeds):
        chance = (hardness + rng.normal(0, 0.01) + rng.normal(0, 0.03, conversations)).clip(0, 1)
        true = rng.integers(0, 2, (conversations, 9))
        counts = np.zeros((conversations, 2, 2))
        for number, of_conversation in enumerate(true):
            hit = rng.random(9) < chance[number]
            np.add.at(counts[number], (of_conversation, np.where(hit, of_conversation, 1 - of_conversation)), 1)
        runs.append(counts)
    return np.stack(runs)


def test_tables_of_one_simulated_recipe_rarely_claim_anything():
    rng = np.random.default_rng(0)
    tables = [estimate(*(simulated_runs(rng, 3) for _ in range(5)), score=weighted_f1) for _ in range(20)]
    claimed = [any(difference.is_significant for difference in table.differences(0)) for table in tables]
    unequal = [len(table.best()) < 5 for table in tables]
    assert sum(claimed) <= 2
    assert sum(unequal) <= 2
    assert any(difference.p < 0.5 for table in tables for difference in table.differences(0))  # so that it can fail
