"""Scores as readers see them."""

from ercfw.results.points import points, points_over_seeds


def test_a_score_of_1_is_100_points():
    assert points(1.0) == "100.00"
    assert points(0.41234) == "41.23"
    assert points(0.5, 0.0123) == "50.00 ± 1.23"


def test_a_missing_score_is_a_dash():
    assert points(None) == points_over_seeds([]) == "-"


def test_seeds_have_a_mean_and_a_sample_deviation():
    assert points_over_seeds([0.5]) == "50.00", "one seed has no deviation"
    assert points_over_seeds([0.4, 0.6]) == "50.00 ± 14.14"
