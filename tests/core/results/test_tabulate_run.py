"""``predictions.csv``: a row an utterance, and all that the scores are made of."""

import csv
import json
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, f1_score

from ercfw.contract.conversation import Conversation, ConversationStream
from ercfw.contract.data_info import DataInfo, ModalitySpec, TargetSpec
from ercfw.report.plots.confusion import draw_confusion
from ercfw.results.prediction_csv import write_predictions
from ercfw.results.scoring import Predictions
from ercfw.results.tabulate_run import run_table

CLASSES = ("neutral", "joy, loud")
STREAMS = {name: ModalitySpec("vector", 2) for name in ("text", "audio")}
INFO = DataInfo({"emotion": TargetSpec(CLASSES, (1, 1)), "other": TargetSpec(("a",), (1,))}, STREAMS, 1)


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def stream(present):
    return ConversationStream(np.zeros((3, 2), np.float32), np.array(present))


@pytest.fixture
def written(tmp_path):
    labels = np.array([1, -100, 0])
    conversation = Conversation(
        "train/1", "test", ("0", "3", "8"), ("Ann", "Béla", "Ann"), ('He said “no”, "twice"', "", "line\nbreak"),
        {"emotion": labels}, kind="scripted",
        streams={"text": stream([True, True, False]), "audio": stream([False, True, False])},
    )  # fmt: skip
    probabilities = np.array([[0.25, 0.75], [0.5, 0.5], [1 / 3, 2 / 3]], np.float32)
    predicted = Predictions(conversation.ids, {"emotion": labels}, {"emotion": probabilities}, {})
    path = tmp_path / "predictions.csv"
    splits, trained = {"test": [conversation]}, [replace(conversation, speakers=("Ann", "Ann", "Cem"))]
    table = run_table(splits, {"test": predicted}, INFO, trained, ["SIMULATED", "CHOSEN ON TEST"])
    write_predictions(path, table)
    return read(path), predicted


def test_ids_texts_labels_and_stamps(written):
    rows, _ = written
    assert [(r["split"], r["conversation"], r["utterance"], r["speaker"]) for r in rows] == [
        ("test", "train/1", "0", "Ann"), ("test", "train/1", "3", "Béla"), ("test", "train/1", "8", "Ann"),
    ]  # fmt: skip
    assert [r["text"] for r in rows] == ['He said “no”, "twice"', "", "line\nbreak"]
    assert [r["emotion"] for r in rows] == ["joy, loud", "", "neutral"]
    assert [r["emotion.predicted"] for r in rows] == ["joy, loud", "neutral", "joy, loud"]
    assert [float(r["emotion.p.neutral"]) for r in rows] == pytest.approx([0.25, 0.5, 1 / 3], abs=1e-6)
    assert {r["stamp"] for r in rows} == {"SIMULATED, CHOSEN ON TEST"}
    assert not any(key.startswith("other") for key in rows[0]), "a target that no head predicts has no column"


def test_what_slices_are_made_of(written):
    rows, _ = written
    assert {row["kind"] for row in rows} == {"scripted"}
    assert [row["new_speaker"] for row in rows] == ["no", "yes", "no"]
    assert [row["lacks"] for row in rows] == ["audio", "", "text audio"]


@pytest.mark.pictures
def test_a_run_has_every_utterance_and_its_scores_follow(cli, tiny_recipe, tmp_path, monkeypatch):
    drawn = {}

    def keep(counts, classes):
        figure = draw_confusion(counts, classes)
        drawn[len(drawn)] = np.array([int(t.get_text()) for t in figure.axes[0].texts]).reshape(counts.shape)
        return figure

    monkeypatch.setattr("ercfw.report.plots.draw_confusion", keep)
    assert cli("run", tiny_recipe(), "train.epochs=4").code == 0
    folder = tmp_path / "runs/tiny/base/seed-0"
    rows, metrics = read(folder / "predictions.csv"), json.loads((folder / "metrics.json").read_text())
    names = [(r["split"], r["conversation"], r["utterance"]) for r in rows]
    assert len(names) == len(set(names))
    sizes = {split: size["utterances"] for split, size in metrics["sizes"].items()}
    assert Counter(name[0] for name in names) == {"dev": sizes["dev"], "test": sizes["test"]}
    columns = [key for key in rows[0] if ".p." in key]
    classes = [column.removeprefix("emotion.p.") for column in columns]
    for row in rows:
        values = [float(row[column]) for column in columns]
        assert sum(values) == pytest.approx(1, abs=1e-4)
        assert row["emotion.predicted"] == classes[int(np.argmax(values))]
    for number, split in enumerate(("dev", "test")):
        true = [r["emotion"] for r in rows if r["split"] == split]
        answered = [r["emotion.predicted"] for r in rows if r["split"] == split]
        assert (drawn[number] == confusion_matrix(true, answered, labels=classes)).all()
        expected = f1_score(true, answered, average="weighted", zero_division=0)
        assert metrics["scores"][split]["emotion"]["weighted-f1"] == pytest.approx(expected)
