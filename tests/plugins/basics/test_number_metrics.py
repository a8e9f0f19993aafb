"""Metrics of numbers, sentiment, labels and shares, against scikit-learn, scipy, and plain loops."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import entropy, pearsonr
from sklearn import metrics as sk

from ercfw import InputError
from ercfw_basics import provide_metrics

METRICS = provide_metrics()
NAMES = ("valence", "activation", "dominance")


def numbers(rows: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """True and predicted numbers from -3 to 3, in tenths, with exact zeros and halves among them."""
    draw = np.random.default_rng(seed)
    true = np.round(np.clip(draw.normal(0, 1.5, (rows, 3)), -3, 3), 1)
    true[:20] = 0
    predicted = np.round(true + draw.normal(0, 1, true.shape), 1)
    predicted[:10] = 0
    predicted[10:30] = 0.5
    return true.astype(np.float32), predicted.astype(np.float32)


def each(name: str, true: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    return METRICS[name](true, predicted, NAMES)


def by_column(score, true: np.ndarray, predicted: np.ndarray) -> list[float]:
    return [score(t, p) for t, p in zip(true.astype(float).T, predicted.astype(float).T, strict=True)]


def lins_concordance(true: np.ndarray, predicted: np.ndarray) -> float:
    """Lin's coefficient by loops over its definition."""
    rows = len(true)
    mean_t, mean_p = sum(true) / rows, sum(predicted) / rows
    var_t, var_p = sum((t - mean_t) ** 2 for t in true) / rows, sum((p - mean_p) ** 2 for p in predicted) / rows
    covariance = sum((t - mean_t) * (p - mean_p) for t, p in zip(true, predicted, strict=True)) / rows
    return 2 * covariance / (var_t + var_p + (mean_t - mean_p) ** 2)


@pytest.mark.parametrize(
    ("name", "reference"),
    [
        ("mae", sk.mean_absolute_error),
        ("rmse", sk.root_mean_squared_error),
        ("pearson", lambda t, p: pearsonr(t, p).statistic),
        ("ccc", lins_concordance),
    ],
)
def test_scores_of_numbers_are_those_of_libraries(name, reference) -> None:
    true, predicted = numbers()
    np.testing.assert_allclose(each(name, true, predicted), by_column(reference, true, predicted), atol=1e-9)


@pytest.mark.parametrize("name", ["pearson", "ccc"])
def test_a_constant_correlates_with_nothing(name) -> None:
    true, _ = numbers()
    np.testing.assert_array_equal(each(name, true, np.full_like(true, 0.5)), 0)
    np.testing.assert_array_equal(each(name, np.ones_like(true), np.ones_like(true)), 0)


def classes_of(limit: int, true: np.ndarray, predicted: np.ndarray) -> float:
    """The accuracy of rounded numbers, by loops; Python rounds halves to the even number."""
    hits = [
        round(min(max(float(t), -limit), limit)) == round(min(max(float(p), -limit), limit))
        for t, p in zip(true, predicted, strict=True)
    ]
    return sum(hits) / len(hits)


@pytest.mark.parametrize("limit", [3, 2, 1])
def test_accuracy_of_rounded_numbers(limit) -> None:
    true, predicted = numbers()
    expected = by_column(lambda t, p: classes_of(limit, t, p), true, predicted)
    np.testing.assert_allclose(each(f"acc-{2 * limit + 1}", true, predicted), expected, atol=1e-9)


def test_two_classes_with_and_without_zeros() -> None:
    true, predicted = numbers()
    for place in range(3):
        t, p = true[:, place], predicted[:, place]
        kept = [(a > 0, b > 0) for a, b in zip(t, p, strict=True) if a != 0]
        whole = [(a >= 0, b >= 0) for a, b in zip(t, p, strict=True)]
        for name, pairs in (("has0", whole), ("non0", kept)):
            of_true, of_predicted = zip(*pairs, strict=True)
            assert each(f"acc-2-{name}", true, predicted)[place] == pytest.approx(
                sk.accuracy_score(of_true, of_predicted), abs=1e-9
            )
            assert each(f"f1-{name}", true, predicted)[place] == pytest.approx(
                sk.f1_score(of_true, of_predicted, average="weighted"), abs=1e-9
            )


def test_by_hand() -> None:
    true, predicted = np.array([[2.0], [-1.0], [0.0]], np.float32), np.array([[1.4], [0.2], [-0.4]], np.float32)
    # rounded: 2 and 1, -1 and 0, 0 and 0; signs with zeros: + +, - +, + -; without: + +, - +
    assert each("acc-7", true, predicted) == pytest.approx([1 / 3])
    assert each("acc-2-has0", true, predicted) == pytest.approx([1 / 3])
    assert each("acc-2-non0", true, predicted) == pytest.approx([1 / 2])
    assert each("mae", true, predicted) == pytest.approx([(0.6 + 1.2 + 0.4) / 3])


def test_only_zeros_leave_nothing_to_score() -> None:
    zeros = np.zeros((4, 1), np.float32)
    assert each("acc-2-non0", zeros, zeros + 1) == [0.0]
    assert each("f1-non0", zeros, zeros + 1) == [0.0]


def labels(rows: int = 200, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities of three labels, of which the last never occurs."""
    draw = np.random.default_rng(seed)
    true = (draw.random((rows, 3)) < (0.5, 0.1, 0.0)).astype(np.int64)
    return true, np.clip(0.6 * true + draw.random(true.shape) * 0.6, 0, 1).astype(np.float32)


def test_scores_of_labels_are_scikit_learns() -> None:
    true, probabilities = labels()
    named = (probabilities >= 0.5).astype(int)
    f1 = sk.f1_score(true, named, average=None, zero_division=0)
    np.testing.assert_allclose(METRICS["label-f1"](true, probabilities, NAMES), f1, atol=1e-9)
    expected = {
        "label-macro-f1": f1[:2].mean(),
        "label-micro-f1": sk.f1_score(true, named, average="micro"),
        "exact-match": sk.accuracy_score(true, named),
        "map": sk.average_precision_score(true[:, :2], probabilities[:, :2], average="macro"),
    }
    for name, value in expected.items():
        assert METRICS[name](true, probabilities, NAMES) == pytest.approx(value, abs=1e-9)


def test_scores_of_a_single_label() -> None:
    true, probabilities = labels()
    expected = sk.f1_score(true[:, 0], probabilities[:, 0] >= 0.5)
    assert METRICS["label-f1"](true[:, :1], probabilities[:, :1], ("joy",)) == pytest.approx([expected], abs=1e-9)


def test_labels_that_never_occur_score_zero() -> None:
    none = np.zeros((5, 2), np.int64)
    assert METRICS["map"](none, none.astype(np.float32), ("a", "b")) == 0.0
    assert METRICS["label-macro-f1"](none, none.astype(np.float32), ("a", "b")) == 0.0


def test_distances_from_shares_are_scipys() -> None:
    draw = np.random.default_rng(0)
    shares, probabilities = draw.dirichlet([0.5] * 4, 50), draw.dirichlet([1.0] * 4, 50)
    shares[0] = (1, 0, 0, 0)
    cross = entropy(shares, axis=1) + entropy(shares, probabilities, axis=1)
    assert METRICS["soft-cross-entropy"](shares, probabilities, "abcd") == pytest.approx(cross.mean(), abs=1e-9)
    squared = jensenshannon(shares, probabilities, axis=1) ** 2
    assert METRICS["jensen-shannon"](shares, probabilities, "abcd") == pytest.approx(squared.mean(), abs=1e-9)
    assert METRICS["share-error"](shares, probabilities, "abcd") == pytest.approx(
        sk.mean_absolute_error(shares, probabilities), abs=1e-9
    )


CLASSES = ("no emotion", "joy", "anger")


def classified(rows: int = 120, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    return draw.integers(3, size=rows), draw.dirichlet([1.0] * 3, rows)


def test_micro_f1_leaves_a_class_out() -> None:
    true, probabilities = classified()
    named = probabilities.argmax(1)
    hits = sum(t == p != 0 for t, p in zip(true, named, strict=True))
    precision, recall = hits / sum(named != 0), hits / sum(true != 0)
    score = METRICS["micro-f1"](leave_out=("no emotion",))
    expected = 2 * precision * recall / (precision + recall)
    assert score(true, probabilities, CLASSES) == pytest.approx(expected, abs=1e-9)
    assert METRICS["micro-f1"]()(true, probabilities, CLASSES) == pytest.approx(np.mean(true == named), abs=1e-9)


def test_micro_f1_needs_classes_of_the_target() -> None:
    true, probabilities = classified()
    with pytest.raises(InputError, match=r"leave_out: there is no class 'sadness'"):
        METRICS["micro-f1"](leave_out=("sadness",))(true, probabilities, CLASSES)
    with pytest.raises(InputError, match=r"leave_out: leaves out every class"):
        METRICS["micro-f1"](leave_out=CLASSES)(true, probabilities, CLASSES)


@pytest.mark.parametrize("weights", ["none", "linear", "quadratic"])
def test_kappa_by_loops(weights) -> None:
    true, probabilities = classified()
    named, rows = probabilities.argmax(1), len(true)

    def cost(a: int, b: int) -> float:
        return float(a != b) if weights == "none" else abs(a - b) ** (1 + (weights == "quadratic"))

    seen = sum(cost(t, p) for t, p in zip(true, named, strict=True)) / rows
    chance = sum(cost(t, p) for t in true for p in named) / rows**2
    assert METRICS["kappa"](weights=weights)(true, probabilities, CLASSES) == pytest.approx(1 - seen / chance, abs=1e-9)


def test_kappa_of_one_class_alone_is_zero() -> None:
    assert METRICS["kappa"]()(np.ones(3, int), np.eye(3)[[1, 1, 1]], CLASSES) == 0.0
