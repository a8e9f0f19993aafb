"""Similar emotions, minority classes and calibration, by hand."""

import numpy as np
import pytest

from ercfw.results.comparison.calibration import BINS, calibrate
from ercfw.results.comparison.confusable_classes import minority_classes, similar_pairs


def test_similar_emotions_by_hand():
    classes = ("Anger", "frustrated", "disgust", "joy")
    counts = np.array([[6, 3, 1, 0], [5, 5, 0, 0], [0, 0, 0, 0], [0, 0, 0, 9]], dtype=float)
    frustration, disgust = similar_pairs(counts, classes)
    assert (frustration.one, frustration.other) == (0, 1)
    assert frustration.taken == (pytest.approx(0.3), pytest.approx(0.5))
    anger_f1, frustrated_f1 = 2 * 6 / (10 + 11), 2 * 5 / (10 + 8)
    assert frustration.f1 == pytest.approx((anger_f1 + frustrated_f1) / 2)
    assert disgust.taken == (pytest.approx(0.1), 0.0), "a class that is never true takes nothing"


def test_corpora_without_similar_emotions_have_no_pairs():
    assert similar_pairs(np.eye(2), ("positive", "negative")) == []


def test_the_minority_classes_of_both_corpora():
    """By the published counts of train, MELD's are the paper's fear, sadness and disgust."""
    assert minority_classes((4710, 1205, 268, 683, 1743, 271, 1109)) == [2, 3, 5]
    assert minority_classes((504, 839, 1324, 933, 742, 1468)) == [0]
    assert minority_classes((5, 5)) == []
    assert minority_classes((9, 0)) == [], "what train lacks is no class that could be learnt"


def test_the_calibration_error_by_hand():
    """Two utterances at 0.9 of which one is right, and one at 0.6 that is right: (2 * 0.4 + 0.4) / 3."""
    probabilities = np.array([[0.9, 0.1], [0.1, 0.9], [0.4, 0.6]])
    found = calibrate("classes", np.array([0, 0, 1]), probabilities)
    assert found.counts.sum() == 3
    assert found.ece == pytest.approx((2 * 0.4 + 0.4) / 3)


def test_the_calibration_error_by_a_loop():
    rng = np.random.default_rng(0)
    probabilities, true = rng.dirichlet(np.ones(3), 500), rng.integers(0, 3, 500)
    expected = 0.0
    for low in np.arange(BINS) / BINS:
        inside = [n for n, p in enumerate(probabilities) if low < p.max() <= low + 1 / BINS]
        if inside:
            right = np.mean([probabilities[n].argmax() == true[n] for n in inside])
            expected += len(inside) / 500 * abs(right - np.mean([probabilities[n].max() for n in inside]))
    assert calibrate("classes", true, probabilities).ece == pytest.approx(expected)


def test_nothing_and_certainty():
    assert calibrate("classes", np.zeros(0, int), np.zeros((0, 2))).ece == 0
    assert calibrate("classes", np.array([0, 0]), np.array([[1.0, 0.0], [1.0, 0.0]])).ece == 0
