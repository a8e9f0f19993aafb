"""Labels of test can move nothing, and labels of train that say nothing teach nothing."""

import csv
import json

import numpy as np
import pytest

CUT = {"train": 120, "dev": 40, "test": 40}
MELD = """
schema = 1
title = "MELD, marks alone"
[data]
use = "meld"
root = "meld"
modalities = ["marks"]
[features.marks]
file = "marks.npy"
fitted_on = "nothing"
[encoder.marks]
use = "linear"
width = 8
standardise = true
[context.marks]
use = "gru"
width = 8
[head.emotion]
use = "linear"
[loss.cross-entropy]
[loss.swfc]
weight = 0.1
[train]
epochs = 2
lr = 1e-2
"""


@pytest.fixture
def meld(real_data, tmp_path):
    """The first conversations of real MELD, and a stream of the marks in each text."""
    source = real_data("meld")
    (tmp_path / "meld").mkdir()
    texts = []
    for split, most in CUT.items():
        with (source / f"{split}_sent_emo.csv").open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.DictReader(file) if int(row["Dialogue_ID"]) < most]
        write(tmp_path, split, rows)
        texts += [row["Utterance"] for row in rows]
    marks = [[len(t), t.count("!"), t.count("?"), t.count("..."), t.isupper(), t.lower().count("no")] for t in texts]
    np.save(tmp_path / "marks.npy", np.array(marks, np.float32))
    (tmp_path / "marks.toml").write_text(MELD)
    return tmp_path


def write(folder, split, rows):
    with (folder / "meld" / f"{split}_sent_emo.csv").open("w", encoding="utf-8", newline="") as file:
        out = csv.DictWriter(file, rows[0].keys())
        out.writeheader()
        out.writerows(rows)


def relabel(folder, split, change):
    rows = read(folder / "meld" / f"{split}_sent_emo.csv")
    labels = change([row["Emotion"] for row in rows])
    write(folder, split, [{**row, "Emotion": label} for row, label in zip(rows, labels, strict=True)])


def read(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def shuffled(labels):
    return list(np.random.default_rng(0).permutation(labels))


def blank(labels):
    return [""] * len(labels)


@pytest.mark.slow
def test_labels_of_test_move_neither_weights_nor_dev(cli, meld):
    found = {}
    original = (meld / "meld/test_sent_emo.csv").read_bytes()
    for name, change in (("real", None), ("shuffled", shuffled), ("blank", blank)):
        (meld / "meld/test_sent_emo.csv").write_bytes(original)
        if change is not None:
            relabel(meld, "test", change)
        ended = cli("run", "marks.toml", "--out", name)
        assert ended.code == 0, ended.err
        assert "SIMULATED" not in ended.err + ended.out
        folder = meld / name / "marks/base/seed-0"
        found[name] = (
            (folder / "model.safetensors").read_bytes(),
            [{**json.loads(line), "seconds": 0} for line in (folder / "history.jsonl").read_text().splitlines()],
            json.loads((folder / "metrics.json").read_text()),
            read(folder / "predictions.csv"),
        )
    weights, history, metrics, predictions = found["real"]
    for name in ("shuffled", "blank"):
        assert found[name][0] == weights, name
        assert found[name][1] == history, name
        assert found[name][2]["scores"]["dev"] == metrics["scores"]["dev"], name
        assert [r["emotion.predicted"] for r in found[name][3]] == [r["emotion.predicted"] for r in predictions], name
    assert found["shuffled"][2]["scores"]["test"] != metrics["scores"]["test"]
    assert "test" not in found["blank"][2]["scores"]
    assert any("test has no labels" in note for note in found["blank"][2]["notes"])
    assert {r["emotion"] for r in found["blank"][3] if r["split"] == "test"} == {""}


@pytest.mark.slow
def test_labels_of_train_do_move_them(cli, meld):
    """The comparison above can tell: what may move the weights does."""
    assert cli("run", "marks.toml", "--out", "real").code == 0
    relabel(meld, "train", shuffled)
    assert cli("run", "marks.toml", "--out", "other").code == 0
    weights = [(meld / out / "marks/base/seed-0/model.safetensors").read_bytes() for out in ("real", "other")]
    assert weights[0] != weights[1]


TABLE = """
schema = 1
title = "Shuffled"
[data]
use = "table"
root = "."
modalities = ["text"]
[features.text]
file = "text.npy"
fitted_on = "nothing"
[encoder.text]
use = "linear"
width = 16
[context.text]
use = "gru"
width = 16
[head.emotion]
use = "linear"
[loss.cross-entropy]
[train]
epochs = 6
lr = 1e-2
select = "emotion.accuracy"
"""


@pytest.mark.slow
def test_shuffled_labels_of_train_teach_nothing(cli, tmp_path):
    rng = np.random.default_rng(0)
    split = np.repeat(["train", "dev", "test"], [1500, 500, 1500])
    classes = rng.choice(3, len(split), p=[0.6, 0.25, 0.15])
    np.save("text.npy", (1.5 * np.eye(3)[classes] + rng.standard_normal((len(split), 3))).astype(np.float32))
    accuracy = {}
    for name in ("true", "shuffled"):
        labels = classes.copy()
        if name == "shuffled":
            labels[split == "train"] = rng.permutation(labels[split == "train"])
        with (tmp_path / "utterances.csv").open("w", newline="") as file:
            out = csv.writer(file)
            out.writerow(["split", "conversation", "utterance", "label"])
            out.writerows([split[n], f"c{n // 10}", n, "abc"[labels[n]]] for n in range(len(split)))
        (tmp_path / "shuffled.toml").write_text(TABLE)
        ended = cli("run", "shuffled.toml", "--json", "--out", name)
        assert ended.code == 0, ended.err
        accuracy[name] = 100 * json.loads(ended.out)[0]["scores"]["test"]["emotion"]["accuracy"]
    majority = 100 * np.bincount(classes[split == "test"]).max() / 1500
    assert accuracy["shuffled"] <= majority + 2
    assert accuracy["true"] > majority + 10
