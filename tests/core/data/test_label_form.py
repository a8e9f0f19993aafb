"""Labels that a dataset gives, against what its targets declare."""

import numpy as np
import pytest

from ercfw import Conversation, InputError, Target
from ercfw.data.label_form import check_label_form, declared_targets
from ercfw.data.train_statistics import describe_targets

NAN = np.nan


def conversation(labels: np.ndarray, target: str = "x") -> Conversation:
    size = len(labels)
    return Conversation("one", "train", tuple(map(str, range(size))), ("Ann",) * size, ("",) * size, {target: labels})


def f32(*rows: object) -> np.ndarray:
    return np.array(rows, np.float32)


NUMBER = Target(("x",), "regression", ((-3.0, 3.0),))
LABELS = Target(("a", "b"), "multilabel")
SHARES = Target(("a", "b"), soft=True)
CLASSES = Target(("a", "b"))


@pytest.mark.parametrize(
    ("target", "labels"),
    [
        (NUMBER, f32([3], [NAN], [-3])), (LABELS, f32([1, 0], [NAN, NAN])), (SHARES, f32([0.3, 0.7], [NAN, NAN])),
        (Target(("a", "b"), "multilabel", soft=True), f32([0.3, 0.9], [1, 1])), (CLASSES, np.array([0, 1, -100])),
    ],
)  # fmt: skip
def test_right_labels(target, labels) -> None:
    check_label_form([conversation(labels)], declared_targets({"x": target}))


@pytest.mark.parametrize(
    ("target", "labels", "message"),
    [
        (CLASSES, f32([0.5], [1]), "are float32 [2, 1] (int64 [U] class numbers = [2], for classes)"),
        (CLASSES, np.array([0, 2]), "have a number that is none of 2 classes (0 to 1, or -100)"),
        (NUMBER, np.array([0, 1]), "are int64 [2] (float32 [U, C] = [2, 1], for regression)"),
        (NUMBER, np.array([[0.5], [1]]), "are float64 [2, 1]"),
        (NUMBER, f32([3.5], [0]), "have 3.5 for 'x' (numbers from -3 to 3)"),
        (NUMBER, f32([np.inf], [0]), "are not finite"),
        (LABELS, f32([1, NAN], [0, 0]), "are NaN in a part of an utterance"),
        (LABELS, f32([0.5, 0], [0, 0]), "have a number other than 0 and 1"),
        (SHARES, f32([0.5, 0.4], [1, 0]), "have shares that do not add up to 1"),
        (SHARES, f32([1.5, -0.5], [1, 0]), "have 1.5 for 'a' (numbers from 0 to 1)"),
    ],
)
def test_wrong_labels_are_named(target, labels, message) -> None:
    with pytest.raises(InputError) as caught:
        check_label_form([conversation(labels)], declared_targets({"x": target}))
    assert f"conversation one: labels of 'x' {message}" in str(caught.value)


def test_a_conversation_has_labels_of_every_target() -> None:
    with pytest.raises(InputError, match=r"has labels of \['x'\], but the targets are \['x', 'y'\]"):
        check_label_form([conversation(np.array([0]))], declared_targets({"x": CLASSES, "y": CLASSES}))


@pytest.mark.parametrize(
    ("target", "message"),
    [
        (Target(()), "has the names []"),
        (Target(("a", "a")), "has the names ['a', 'a']"),
        (Target(("a",), "regression", ((0.0, 1.0),)), "has one number, named 'a' (name it 'x')"),
        (Target(("a", "b"), "regression", ((0.0, 1.0),)), "has the ranges [(0.0, 1.0)] for the numbers a, b"),
        (Target(("a", "b"), "regression", ((0.0, 1.0), (1.0, 1.0))), "has the ranges"),
        (Target(("a", "b"), ranges=((0.0, 1.0),)), "has ranges, but is of kind classes"),
        (Target(("a", "p"), "multilabel"), "has the name 'p', which columns of predictions need"),
    ],
)
def test_wrong_declarations_are_named(target, message) -> None:
    with pytest.raises(InputError) as caught:
        declared_targets({"x": target})
    assert message in str(caught.value)


def test_statistics_of_every_kind_by_hand() -> None:
    def spec(target: Target, labels: np.ndarray):
        return describe_targets([conversation(labels)], {"x": target})["x"]

    numbers = spec(Target(("x", "y"), "regression", ((-3.0, 3.0),) * 2), f32([1, 2], [NAN, NAN], [3, 2]))
    assert (numbers.counts, numbers.utterances) == ((2, 2), 2)
    assert (numbers.mean, numbers.deviation) == ((2.0, 2.0), (1.0, 1.0))  # a constant has the deviation 1
    labels = spec(LABELS, f32([1, 0], [1, 1], [NAN, NAN], [0, 0]))
    assert (labels.counts, labels.utterances) == ((2, 1), 3)
    shares = spec(SHARES, f32([0.3, 0.7], [0.5, 0.5], [NAN, NAN]))
    assert (shares.counts, shares.utterances, shares.form) == ((1, 1), 2, "soft-classes")  # of equal ones, the first
    classes = spec(CLASSES, np.array([1, 1, -100]))
    assert (classes.counts, classes.utterances) == ((0, 2), 2)
