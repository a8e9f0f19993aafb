"""Scores from confusion counts, beside those of scikit-learn through the metric plugins."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from ercfw.results.comparison.confusion_counts import WHOLE, class_f1, count, of_class
from ercfw_basics.metrics import classes as metrics

CLASSES = ("joy", "anger", "fear", "never")


@pytest.fixture
def answers():
    rng = np.random.default_rng(3)
    true, predicted = rng.integers(0, 3, 200), rng.integers(0, 3, 200)
    conversations = [f"c{number // 9}" for number in range(200)]
    return conversations, true, predicted


@pytest.mark.parametrize("name", WHOLE)
def test_a_score_is_that_of_the_metric(answers, name):
    conversations, true, predicted = answers
    counts = count(conversations, true, predicted, len(CLASSES))
    metric = getattr(metrics, name.replace("-", "_"))
    assert WHOLE[name](counts.sum(0)) == pytest.approx(metric(true, np.eye(4)[predicted], CLASSES), abs=1e-12)


@pytest.mark.parametrize("name", WHOLE)
def test_a_score_of_answers_of_a_class_without_labels_is_that_of_the_metric(answers, name):
    conversations, true, predicted = answers
    predicted[::7] = CLASSES.index("never")
    counts = count(conversations, true, predicted, len(CLASSES))
    metric = getattr(metrics, name.replace("-", "_"))
    assert WHOLE[name](counts.sum(0)) == pytest.approx(metric(true, np.eye(4)[predicted], CLASSES), abs=1e-12)


def test_macro_f1_of_a_sample_is_scikit_learns_over_its_labels(answers):
    conversations, true, predicted = answers
    predicted[::7] = CLASSES.index("never")
    counts = count(conversations, true, predicted, len(CLASSES))
    drawn = np.random.default_rng(0).multinomial(len(counts), np.full(len(counts), 1 / len(counts)), 3)  # [R, K]
    for weights, sampled in zip(drawn, WHOLE["macro-f1"](np.einsum("rk,kij->rij", drawn, counts)), strict=True):
        often = np.repeat(weights, [9] * 22 + [2])  # [N]
        t, p = np.repeat(true, often), np.repeat(predicted, often)
        expected = f1_score(t, p, labels=np.unique(t), average="macro", zero_division=0)
        assert sampled == pytest.approx(expected, abs=1e-12)


def test_f1_of_each_class(answers):
    conversations, true, predicted = answers
    counts = count(conversations, true, predicted, len(CLASSES)).sum(0)
    expected = metrics.f1(true, np.eye(4)[predicted], CLASSES)
    assert class_f1(counts) == pytest.approx(expected, abs=1e-12)
    assert of_class(1)(counts) == pytest.approx(expected[1])


def test_conversations_are_counted_apart_in_their_order():
    counts = count(["b", "b", "a"], np.array([0, 1, 1]), np.array([0, 0, 1]), 2)
    assert counts.tolist() == [[[1, 0], [1, 0]], [[0, 0], [0, 1]]]


@pytest.mark.parametrize("name", WHOLE)
def test_many_at_once_are_each_alone(answers, name):
    counts = count(*answers, len(CLASSES))
    assert WHOLE[name](counts).shape == (len(counts),)
    assert WHOLE[name](counts)[4] == WHOLE[name](counts[4])


@pytest.mark.parametrize("name", WHOLE)
def test_nothing_counted_is_zero(name):
    assert WHOLE[name](np.zeros((3, 3))) == 0
