"""Intervals and tests, beside scipy's and cases worked by hand."""

import numpy as np
import pytest
from scipy import stats

from ercfw.results.comparison.confusion_counts import accuracy, weighted_f1
from ercfw.results.comparison.significance import Difference, differences, holm, mean_score, randomise, resample


def right_and_wrong(right: list[int], of: int) -> np.ndarray:
    """One run: so many of the utterances of each conversation are named rightly."""
    return np.array([[[[r, of - r], [0, 0]] for r in right]], float)


ONE, OTHER = right_and_wrong([9, 8, 7, 9, 6, 8, 9, 7], 10), right_and_wrong([7, 8, 6, 5, 6, 9, 7, 4], 10)


def test_the_p_of_one_run_each_is_that_of_a_permutation_of_signs():
    exact = stats.permutation_test(
        (ONE[0, :, 0, 0], OTHER[0, :, 0, 0]), lambda a, b: a.mean() - b.mean(), permutation_type="samples"
    )
    assert randomise(ONE, OTHER, accuracy) == pytest.approx(exact.pvalue, abs=0.02)


def test_the_interval_of_one_run_each_is_that_of_a_bootstrap_of_pairs():
    gained = (ONE - OTHER)[0, :, 0, 0] / 10
    expected = stats.bootstrap((gained,), np.mean, method="percentile", rng=0).confidence_interval
    (found,) = differences(ONE, [OTHER], accuracy)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=0.02)
    assert found.value == pytest.approx(gained.mean())


def test_seeds_that_differ_widen_the_interval_as_the_theory_of_means_has_it():
    rng = np.random.default_rng(0)
    shares = rng.normal(0.6, 0.05, 6)
    runs = np.array([[[[share, 1 - share], [0, 0]]] * 4 for share in shares])  # every conversation is like every other
    spread = resample(runs, accuracy, 1).std()
    assert spread == pytest.approx(np.std(shares, ddof=1) / np.sqrt(6), rel=0.05)


def test_the_same_runs_do_not_differ_significantly():
    (found,) = differences(np.repeat(ONE, 3, 0), [np.repeat(ONE, 3, 0)], accuracy)
    assert (found.value, found.p) == (0, 1)
    assert not found.is_significant


def test_what_is_far_apart_is_significant():
    good, bad = right_and_wrong([9] * 20, 10), right_and_wrong([3] * 20, 10)
    (found,) = differences(np.repeat(good, 3, 0), [np.repeat(bad, 3, 0)], weighted_f1)
    assert found.is_significant
    assert found.low > 0.3
    assert (-found).high == -found.low


@pytest.mark.parametrize("seeds", [1, 2])
def test_too_few_seeds_claim_nothing(seeds):
    good, bad = np.repeat(right_and_wrong([9] * 20, 10), seeds, 0), np.repeat(right_and_wrong([3] * 20, 10), 5, 0)
    (found,) = differences(good, [bad], accuracy)
    assert found.p == 1
    assert not found.is_significant


def test_an_interval_or_a_p_alone_is_no_claim():
    assert not Difference(0.1, 0.05, 0.2, p=0.06).is_significant
    assert not Difference(0.1, -0.01, 0.2, p=0.01).is_significant
    assert Difference(0.1, 0.05, 0.2, p=0.04).is_significant


def test_holm_by_hand():
    # sorted: .01 * 4, .02 * 3, .03 * 2 = .06, .04 * 1, each at least the one before
    assert holm([0.03, 0.01, 0.04, 0.02]) == pytest.approx([0.06, 0.04, 0.06, 0.06])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_unequal_numbers_of_seeds_are_compared_by_their_means():
    few, many = np.repeat(ONE, 3, 0), np.repeat(OTHER, 5, 0)
    assert randomise(few, many, accuracy) == pytest.approx(randomise(ONE, OTHER, accuracy), abs=0.02)


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


def test_two_sets_of_seeds_of_one_simulated_recipe_rarely_differ_significantly():
    rng = np.random.default_rng(0)
    pairs = [differences(simulated_runs(rng, 5), [simulated_runs(rng, 5)], weighted_f1)[0] for _ in range(20)]
    assert sum(pair.is_significant for pair in pairs) <= 2
    assert any(pair.p < 0.5 for pair in pairs)  # so that the test can fail


def test_the_mean_is_over_seeds():
    runs = np.concatenate([ONE, OTHER])
    assert mean_score(runs, accuracy) == pytest.approx((63 / 80 + 52 / 80) / 2)
