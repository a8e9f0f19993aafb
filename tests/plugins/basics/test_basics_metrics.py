"""The metrics on cases worked by hand."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from ercfw.contract.metric import traits_of
from ercfw_basics import provide_metrics

CLASSES = ("neutral", "joy", "anger", "fear")
TRUE = np.array([0, 0, 0, 0, 1, 1, 2])
NAMED = np.array([0, 0, 1, 3, 1, 0, 0])
# neutral: 2 of 4 found, 2 of 4 rightly named; joy: 1 of 2 and 1 of 2; anger: never named; fear: never true
BY_HAND = {"neutral": 0.5, "joy": 0.5, "anger": 0.0, "fear": 0.0}


def probabilities(named: np.ndarray) -> np.ndarray:
    return (np.eye(4)[named] * 0.6 + 0.1).astype(np.float32)


def score(name: str, true: np.ndarray = TRUE, named: np.ndarray = NAMED):
    return provide_metrics()[name](true, probabilities(named), CLASSES)


def test_f1_of_each_class() -> None:
    np.testing.assert_allclose(score("f1"), list(BY_HAND.values()))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("macro-f1", (0.5 + 0.5 + 0) / 3),
        ("weighted-f1", (4 * 0.5 + 2 * 0.5 + 1 * 0) / 7),
        ("accuracy", 3 / 7),
        ("unweighted-accuracy", (2 / 4 + 1 / 2 + 0 / 1) / 3),
    ],
)
def test_scores_by_hand(name, expected) -> None:
    given = score(name)
    assert isinstance(given, float)
    assert given == pytest.approx(expected)


@pytest.mark.parametrize("name", ["weighted-f1", "macro-f1", "accuracy", "unweighted-accuracy"])
def test_all_right_is_one_although_classes_are_absent(name) -> None:
    assert score(name, TRUE, TRUE) == 1.0


def test_classes_that_do_not_occur_keep_their_place() -> None:
    np.testing.assert_allclose(score("f1", np.array([3, 3]), np.array([3, 3])), [0, 0, 0, 1])


def test_macro_f1_is_over_the_classes_that_have_labels() -> None:
    # Class 0: precision 1, recall 1/2. Class 1: 1. Class 2 is predicted and never true. Class 3 is neither.
    assert score("macro-f1", np.array([0, 0, 1]), np.array([0, 2, 1])) == pytest.approx((2 / 3 + 1) / 2)


@pytest.mark.parametrize("name", ["macro-f1", "weighted-f1", "unweighted-accuracy"])
def test_f1_that_is_no_lower_in_any_class_is_no_lower_in_the_mean(name) -> None:
    true = np.array([0, 0, 1, 1])
    one, other = np.array([0, 1, 1, 1]), np.array([0, 2, 1, 1])  # both miss one of class 0; the other's class 1 is 1
    assert (score("f1", true, other) >= score("f1", true, one)).all()
    assert score(name, true, other) >= score(name, true, one)


@pytest.mark.parametrize("absent", [(), (3,), (0, 2)])
def test_macro_f1_is_scikit_learns_over_the_same_labels_for_every_model(absent) -> None:
    rng = np.random.default_rng(5)
    kept = [number for number in range(4) if number not in absent]
    true = np.repeat(kept, 10)
    for _ in range(5):
        named = rng.integers(0, 4, len(true))
        expected = f1_score(true, named, labels=kept, average="macro", zero_division=0)
        assert score("macro-f1", true, named) == pytest.approx(expected)


def test_a_constant_answer_gives_no_warning(recwarn) -> None:
    for name, metric in provide_metrics().items():
        if "classes" not in traits_of(metric).serves or isinstance(metric, type):
            continue
        score(name, TRUE, np.zeros_like(TRUE))
    assert not recwarn.list
    assert score("weighted-f1", TRUE, np.zeros_like(TRUE)) == pytest.approx(4 / 7 * (2 * 4 / 11))
