"""One table of predictions: written, read, cut and joined."""

import csv
import re

import numpy as np
import pytest

from ercfw import InputError
from ercfw.results.prediction_csv import read_predictions, write_predictions
from ercfw.results.prediction_table import PredictionTable, join
from ercfw.results.target_predictions import TargetPredictions

CLASSES = ("joy", "anger, loud", "fear")


def made(conversation, split, seed=0, size=4, stamps=("SIMULATED",)):
    chance = np.random.default_rng(seed)
    probabilities = np.round(chance.dirichlet(np.ones(3), size), 6)  # as precise as the file
    ids = tuple((conversation, f"{number}") for number in range(size))
    labels = np.array([-100, *chance.integers(0, 3, size - 1)])
    target = TargetPredictions(ids, labels, probabilities.argmax(-1), probabilities, CLASSES)
    about = {
        "split": (split,) * size,
        "conversation": (conversation,) * size,
        "utterance": tuple(utterance for _, utterance in ids),
        "speaker": ("Ann", 'B"é') * (size // 2),
        "text": ("one, two", "line\nbreak") * (size // 2),
        "lacks": ("",) * size,
    }
    return PredictionTable(about, {"emotion": target}, frozenset({"emotion"}), stamps)


def equal(one, other):
    mine, theirs = one.targets["emotion"], other.targets["emotion"]
    assert one.about == other.about
    assert one.labelled == other.labelled
    assert one.stamps == other.stamps
    assert mine.is_of_same(theirs)
    assert (mine.predicted == theirs.predicted).all()
    assert (mine.values == theirs.values).all()


def test_reading_gives_what_was_written(tmp_path):
    table = join([made("a", "dev"), made("b", "test", seed=1)])
    write_predictions(tmp_path / "predictions.csv", table)
    equal(read_predictions(tmp_path / "predictions.csv"), table)


def test_cells_are_those_that_other_programs_read(tmp_path):
    table = made("a", "test")
    write_predictions(tmp_path / "predictions.csv", table)
    with (tmp_path / "predictions.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    of = table.targets["emotion"]
    assert list(rows[0])[-6:] == ["emotion", "emotion.predicted", *(f"emotion.p.{name}" for name in CLASSES), "stamp"]
    assert [row["emotion"] for row in rows] == ["", *(CLASSES[label] for label in of.labels[1:])]
    assert [row["emotion.predicted"] for row in rows] == [CLASSES[number] for number in of.predicted]
    assert [[float(row[f"emotion.p.{name}"]) for name in CLASSES] for row in rows] == of.values.tolist()
    assert {row["stamp"] for row in rows} == {"SIMULATED"}


def test_new_data_has_no_column_of_labels(tmp_path):
    table = made("a", "test")
    write_predictions(tmp_path / "new.csv", PredictionTable(table.about, table.targets))
    header = (tmp_path / "new.csv").read_text(encoding="utf-8").splitlines()[0].split(",")
    assert "emotion" not in header
    assert "stamp" not in header
    assert "emotion.predicted" in header


def test_splits_are_cut_and_joined_again():
    parts = [made("a", "dev"), made("b", "test", seed=1)]
    table = join(parts)
    assert table.splits == ["test", "dev"]
    for part, split in zip(parts, ("dev", "test"), strict=True):
        equal(table.of_split(split), part)
    assert len(table.of_split("train")) == 0
    equal(table.take([3, 0]).take([1]), table.take([0]))


def test_an_utterance_is_in_one_table_only():
    with pytest.raises(ValueError, match="is in two tables"):
        join([made("a", "test"), made("a", "test", seed=1)])


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text.splitlines()[0] + "\n",
        lambda text: text.replace("utterance", "row", 1),
        lambda text: text + "test,a\r\n",
        lambda text: text.replace("0.", "o.", 1),
        lambda text: re.sub(r"0\.\d{6}", "nan", text, count=1),
        lambda text: re.sub(r"0\.\d{6}", "1e999", text, count=1),
        lambda text: re.sub(r"0\.\d{6}", "-0.2", text, count=1),
        lambda text: text.replace(",fear,", ",gear,", 1),
    ],
)
def test_a_damaged_file_is_one_message(tmp_path, damage):
    path = tmp_path / "predictions.csv"
    write_predictions(path, made("a", "test", seed=3))
    text = path.read_bytes().decode()
    assert ",fear," in text
    assert damage(text) != text
    path.write_bytes(damage(text).encode())
    with pytest.raises(InputError, match="is not a table of predictions"):
        read_predictions(path)
