"""Predictions of every kind of target, written and read again."""

import csv

import numpy as np
import pytest

from ercfw import InputError
from ercfw.results.prediction_csv import read_predictions, write_predictions
from ercfw.results.prediction_table import PredictionTable
from ercfw.results.target_predictions import TargetPredictions

IDS = tuple(("one", str(place)) for place in range(4))
ABOUT = {
    "split": ("test",) * 4,
    "conversation": ("one",) * 4,
    "utterance": tuple(utterance for _, utterance in IDS),
    "speaker": ("Ann", "Bob") * 2,
    "text": ("",) * 4,
}
DRAW = np.random.default_rng(0)
KINDS = {
    "sentiment": TargetPredictions.of(
        IDS, np.array([[1.8], [0], [-3], [np.nan]], np.float32), DRAW.normal(size=(4, 1)).astype(np.float32),
        ("sentiment",), "regression",
    ),
    "affect": TargetPredictions.of(
        IDS, np.array([[1, 2], [1 / 3, 1e-7], [5, 4], [np.nan] * 2], np.float32),
        DRAW.normal(size=(4, 2)).astype(np.float32), ("valence", "arousal"), "regression",
    ),
    "moods": TargetPredictions.of(
        IDS, np.array([[1, 0], [0, 0], [1, 1], [np.nan] * 2], np.float32), DRAW.random((4, 2)).round(6),
        ("joy", "sad"), "multilabel",
    ),
    "shared_moods": TargetPredictions.of(
        IDS, np.array([[0.75, 0], [0.5, 0.25], [1, 1], [np.nan] * 2], np.float32), DRAW.random((4, 2)).round(6),
        ("joy", "anger"), "multilabel", True,
    ),
    "votes": TargetPredictions.of(
        IDS, np.array([[0.5, 0.5], [0.25, 0.75], [1, 0], [np.nan] * 2], np.float32),
        DRAW.dirichlet([1, 1], 4).round(6), ("joy", "anger"), "classes", True,
    ),
    "emotion": TargetPredictions.of(
        IDS, np.array([0, 1, 1, -100]), DRAW.dirichlet([1, 1], 4).round(6), ("joy", "anger"), "classes"
    ),
}  # fmt: skip


def write(path, targets=KINDS) -> None:
    write_predictions(path, PredictionTable(ABOUT, targets, frozenset(targets), ("SIMULATED",)))


def test_every_kind_is_read_as_it_was_written(tmp_path) -> None:
    write(tmp_path / "all.csv")
    read = read_predictions(tmp_path / "all.csv")
    assert list(read.targets) == list(KINDS)
    assert read.about == ABOUT
    for name, one in KINDS.items():
        other = read.targets[name]
        assert other.is_of_same(one), name
        assert (other.kind, other.classes) == (one.kind, one.classes)
        np.testing.assert_array_equal(other.predicted, one.predicted)
        np.testing.assert_array_equal(other.values, one.values)
        np.testing.assert_array_equal(other.labelled, [True, True, True, False])
        assert (other.shares is None) == (one.shares is None)
        if one.shares is not None:
            np.testing.assert_array_equal(other.shares, one.shares)


def test_the_columns_are_those_of_the_documentation(tmp_path) -> None:
    write(tmp_path / "all.csv")
    with (tmp_path / "all.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[len(ABOUT) : -1] == [
        "sentiment", "sentiment.predicted",
        "affect.valence", "affect.valence.predicted", "affect.arousal", "affect.arousal.predicted",
        "moods.joy", "moods.joy.predicted", "moods.sad", "moods.sad.predicted", "moods.p.joy", "moods.p.sad",
        "shared_moods.joy", "shared_moods.joy.predicted", "shared_moods.anger", "shared_moods.anger.predicted",
        "shared_moods.p.joy", "shared_moods.p.anger",
        "votes", "votes.predicted", "votes.share.joy", "votes.share.anger", "votes.p.joy", "votes.p.anger",
        "emotion", "emotion.predicted", "emotion.p.joy", "emotion.p.anger",
    ]  # fmt: skip
    assert [row["sentiment"] for row in rows] == ["1.8", "0", "-3", ""]
    assert [row["moods.joy"] for row in rows] == ["1", "0", "1", ""]
    assert [row["votes"] for row in rows] == ["joy", "anger", "joy", ""]


@pytest.mark.parametrize(
    ("column", "cell"),
    [
        ("sentiment.predicted", "nan"), ("sentiment.predicted", ""), ("affect.valence", "high"),
        ("moods.joy", "2"), ("moods.joy.predicted", "0.5"), ("moods.p.joy", "1.5"), ("votes", "sadness"),
        ("votes.share.joy", "much"),
    ],
)  # fmt: skip
def test_a_damaged_cell_is_reported(tmp_path, column, cell) -> None:
    path = tmp_path / "all.csv"
    write(path)
    with path.open() as file:
        rows = list(csv.DictReader(file))
    rows[1][column] = cell
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    with pytest.raises(InputError, match="is not a table of predictions"):
        read_predictions(path)
