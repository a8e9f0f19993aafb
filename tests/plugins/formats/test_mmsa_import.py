"""MMSA's files become a table with scores and classes, and one store of frames per modality."""

import csv
import json

import numpy as np
import pytest

from ercfw import FeatureTable

from .conftest import ABSENT, PLAN, SCORES

MODALITIES = {"text": "text", "audio": "audio", "vision": "visual"}
RECIPE = """\
schema = 1
title = "Both"

[data]
use = "table"
root = "corpus"
modalities = ["text", "audio", "visual"]

[data.targets.sentiment]
kind = "regression"
range = [-3, 3]

[data.targets.polarity]
columns = "label"
classes = ["Negative", "Neutral", "Positive"]

[encoder.default]
use = "linear"
width = 4

[fusion]
use = "concat"

[head.sentiment]
use = "linear"

[head.polarity]
use = "linear"

[loss.mae]
target = "sentiment"

[loss.cross-entropy]
target = "polarity"

[train]
epochs = 1
device = "cpu"
select = "sentiment.mae"
"""


@pytest.fixture
def importing(made, cli, tmp_path):
    """``importing(*words)``: import the file into an empty corpus; return how the command ended."""

    def run(*words, name="aligned_50.pkl", root=None):
        path = made.write(tmp_path / "files" / name)
        result = cli("data", "import", "mmsa", path, "--to", root or tmp_path / "corpus", *words)
        assert result.code == 0, result
        return result

    return run


def table(root):
    with (root / "utterances.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def frames_of(root, modality):
    """The frames of each clip by MMSA's id, read with plain slices; and the clips that lack them."""
    store = FeatureTable.load(root / f"{modality}.safetensors")
    found, place = {}, 0
    for (video, clip), length in zip(store.ids, store.lengths, strict=True):
        found[f"{video}$_${clip}"] = store.values[place : place + length]
        place += length
    assert place == len(store.values)
    absent = {f"{v}$_${c}" for (v, c), there in zip(store.ids, store.present, strict=True) if not there}
    return found, absent


def check_frames(root, made, keys=MODALITIES):
    for key in keys:
        found, absent = frames_of(root, MODALITIES[key])
        assert set(found) == set(made.frames[key])
        for id, wanted in made.frames[key].items():
            np.testing.assert_array_equal(found[id], wanted)
            assert found[id].dtype == wanted.dtype
        assert absent == ({ABSENT[1]} if key == ABSENT[0] else set())


def test_the_table(made, importing, tmp_path):
    result = importing()
    assert "table: labels: made from the same files" in result.out
    assert '[data.targets.sentiment] with kind = "regression" and range = [-3, 3]' in result.err
    rows = table(tmp_path / "corpus")
    names = [f"{row['conversation']}$_${row['utterance']}" for row in rows]
    # Videos in the order of the file, clips in the order of their numbers: 10 comes after 9.
    assert names == ["b$_$0", "b$_$2", "a$_$3", "a$_$9", "a$_$10", "d$_$0", "d$_$1", "t$_$0", "t$_$1", "u$_$7"]
    of = {id: (score, split) for split, ids in PLAN.items() for id, score in zip(ids, SCORES[split], strict=True)}
    for name, row in zip(names, rows, strict=True):
        score, split = of[name]
        assert np.float32(row["sentiment"]) == np.float32(score)
        assert row["label"] == ("Negative" if score < 0 else "Positive" if score else "Neutral")
        assert row["split"] == {"valid": "dev"}.get(split, split)
        assert row["text"] == f'WORDS OF "{name}", {split}'
        assert row["speaker"] == row["conversation"]
    assert {row["sentiment"] for row in rows} >= {"-2.4", "0.33333334", "0", "3"}  # the shortest text of a float32


@pytest.mark.parametrize("protocol", [2, 4])
def test_the_frames(made, cli, tmp_path, protocol):
    path = made.write(tmp_path / "aligned_50.pkl", protocol)
    assert cli("data", "import", "mmsa", tmp_path, "--to", tmp_path / "corpus").code == 0
    check_frames(tmp_path / "corpus", made)
    store = FeatureTable.load(tmp_path / "corpus" / "audio.safetensors")
    assert store.provenance["layout"] == "mmsa"
    assert list(store.provenance["files"]) == [path.name]
    assert store.fitted_on == "unknown"


def test_both_kinds_of_targets_train_on_it(importing, cli, tmp_path, monkeypatch):
    importing()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "both.toml").write_text(RECIPE)
    assert cli("run", "both.toml", "--out", "runs").code == 0
    metrics = json.loads(next((tmp_path / "runs").rglob("metrics.json")).read_text())
    assert "mae" in metrics["scores"]["test"]["sentiment"]
    assert "weighted-f1" in metrics["scores"]["test"]["polarity"]
    checked = cli("data", "check", "both.toml")
    assert checked.code == 0, checked
    assert "one for every utterance" in checked.out
    stats = cli("data", "stats", "table", "data.root=corpus", "--json")
    assert json.loads(stats.out)
    assert cli("data", "check", "table", "data.root=corpus").code == 0


def test_json_tells_the_range(importing):
    printed = json.loads(importing("--json").out)
    assert printed["ranges"] == {"sentiment": [-3, 3]}
    assert {row["rows"] for row in printed["files"]} == {10}


def test_sims(made, importing, tmp_path):
    """Clips of one video in several splits, scores per modality from -1 to 1, lengths, and no classes in words."""
    draw = np.random.default_rng(1)
    for number, (split, content) in enumerate(made.content.items()):
        n = len(content["id"])
        content["regression_labels"] = np.array(SCORES[split], "f4") / 3
        for mark in "TAV":
            content[f"regression_labels_{mark}"] = draw.choice(np.float32([-1, -0.4, 0, 0.8]), n)
        content["id"] = [f"video_0001$_${10 * row + number + 1:04d}" for row in range(n)]
        content["raw_text"] = ["我不知道"] * n
        del content["annotations"], content["classification_labels"]
    result = importing(name="unaligned_39.pkl")
    assert "video 'video_0001' has clips in several splits (1 such videos)" in result.err
    assert "[data.targets.sentiment_visual]" in result.err
    assert "range = [-1, 1]" in result.err
    rows = table(tmp_path / "corpus")
    assert {row["conversation"] for row in rows} == {f"{split}/video_0001" for split in ("train", "dev", "test")}
    assert rows[0]["utterance"] == "0001"
    assert [row["label"] for row in rows[:3]] == ["Neutral", "Negative", "Positive"]
    for column, mark in (("sentiment_text", "T"), ("sentiment_audio", "A"), ("sentiment_visual", "V")):
        given = np.concatenate([content[f"regression_labels_{mark}"] for content in made.content.values()])
        np.testing.assert_array_equal(np.float32([row[column] for row in rows]), given)


def test_classes_from_numbers_or_scores(made, importing, tmp_path):
    for content in made.content.values():
        del content["annotations"]
    importing(root=tmp_path / "numbers")
    for content in made.content.values():
        del content["classification_labels"]
    importing(root=tmp_path / "signs")
    assert table(tmp_path / "numbers") == table(tmp_path / "signs")


def test_classes_that_are_not_the_signs_of_the_scores_are_told(made, importing, tmp_path):
    made.content["valid"]["annotations"][1] = "Positive"
    result = importing()
    assert "1 classes are not those of the scores' signs; the first is that of 'd$_$0'" in result.err
    labels = {(row["conversation"], row["utterance"]): row["label"] for row in table(tmp_path / "corpus")}
    assert labels["d", "0"] == "Positive"


def test_a_file_without_a_stream(made, importing, tmp_path):
    for content in made.content.values():
        del content["text"], content["vision"]
    importing()
    assert [path.name for path in (tmp_path / "corpus").glob("*.safetensors")] == ["audio.safetensors"]
    check_frames(tmp_path / "corpus", made, ["audio"])


# Into a corpus that has annotations


def annotate(root, score, order=("u", "t", "d", "a", "b"), columns="conversation,utterance,text,sentiment,split"):
    """A table of the same clips without classes, its videos in another order."""
    root.mkdir()
    lines = [columns]
    for video in order:
        clips = [(split, row, id) for split, ids in PLAN.items() for row, id in enumerate(ids) if id[0] == video]
        for split, row, id in sorted(clips, key=lambda clip: int(clip[2][4:])):
            own = {"valid": "dev"}.get(split, split)
            lines.append(f"{video},{id[4:]},WORDS OF {id} {split},{score(SCORES[split][row])},{own}")
    (root / "utterances.csv").write_text("\n".join([*lines, ""]))
    return root


def test_a_corpus_in_another_order_with_rounded_scores(made, importing, tmp_path):
    root = annotate(tmp_path / "own", lambda score: f"{score:.2f}")
    before = (root / "utterances.csv").read_bytes()
    assert "labels: 10 of 10 agree" in importing(root=root).out
    check_frames(root, made)
    assert FeatureTable.load(root / "audio.safetensors").ids[0] == ("u", "7")
    assert (root / "utterances.csv").read_bytes() == before


def test_a_corpus_with_other_scores(made, cli, tmp_path):
    root = annotate(tmp_path / "own", lambda score: score if score != 1.2 else 1.4)
    path = made.write(tmp_path / "aligned_50.pkl")
    says = "1 of 10 labels differ from the corpus, first at d, utterance 1: 1.2 in the file, 1.4 in the corpus"
    cli("data", "import", "mmsa", path, "--to", root).check(2, says)
    assert not list(root.glob("*.safetensors"))


def test_a_corpus_without_scores(made, cli, tmp_path):
    columns = "conversation,utterance,text,other,split"
    root = annotate(tmp_path / "own", lambda score: score, columns=columns)
    result = cli("data", "import", "mmsa", made.write(tmp_path / "aligned_50.pkl"), "--to", root)
    result.check(2, "utterances.csv..sentiment")


def test_again_and_with_other_values(made, importing, cli, tmp_path):
    importing()
    root = tmp_path / "corpus"
    before = {path: path.read_bytes() for path in root.iterdir()}
    assert "labels: 10 of 10 agree" in importing().out
    assert before == {path: path.read_bytes() for path in root.iterdir()}
    made.content["test"]["audio"][0, 0, 0] += 1
    path = made.write(tmp_path / "aligned_50.pkl")
    says = "audio.safetensors: already exists, with other values"
    cli("data", "import", "mmsa", path, "--to", root).check(2, says)
    assert before == {path: path.read_bytes() for path in root.iterdir()}
    assert cli("data", "import", "mmsa", path, "--to", root, "--replace").code == 0
    assert frames_of(root, "audio")[0]["t$_$0"][0, 0] == made.content["test"]["audio"][0, 0, 0]


def test_splits_one_after_another(made, importing, cli, tmp_path):
    importing(root=tmp_path / "whole")
    root, whole = tmp_path / "corpus", dict(made.content)
    root.mkdir()
    (root / "utterances.csv").write_bytes((tmp_path / "whole" / "utterances.csv").read_bytes())
    for split, lacking in (("test", "train and dev"), ("train", "dev"), ("valid", "")):
        made.content = {split: whole[split]}
        result = importing(name=f"{split}.pkl")
        assert (f"the files have no 'audio' for {lacking}:" in result.err) == bool(lacking)
    check_frames(root, made)
    assert set(FeatureTable.load(root / "text.safetensors").provenance["files"]) == {
        "test.pkl", "train.pkl", "valid.pkl"
    }  # fmt: skip
    before = (root / "text.safetensors").read_bytes()
    made.content = {"train": whole["train"]}
    importing(name="train.pkl")
    assert (root / "text.safetensors").read_bytes() == before, "nothing new"


def test_splits_with_other_frames_are_not_joined(made, importing, cli, tmp_path):
    """Of equal values, but of other lengths; and of another type."""
    whole = dict(made.content)
    importing(root=tmp_path / "corpus")
    root = tmp_path / "corpus"
    for path in root.glob("*.safetensors"):
        path.unlink()
    made.content = {"train": whole["train"]}
    importing(name="train.pkl")
    made.content = {"test": {**whole["test"], "audio": whole["test"]["audio"].astype("f8")}}
    path = made.write(tmp_path / "test.pkl")
    says = "audio.safetensors: already exists, with other values"
    cli("data", "import", "mmsa", path, "--to", root).check(2, says)
    longer = np.concatenate([whole["train"]["audio"], whole["train"]["audio"]], axis=1)
    made.content = {"train": {**whole["train"], "audio": longer}}
    cli("data", "import", "mmsa", made.write(tmp_path / "x.pkl"), "--to", root).check(2, says)


def test_a_split_without_utterances_is_left_out(made, importing, tmp_path):
    made.content["valid"] = {key: value[:0] for key, value in made.content["valid"].items()}
    assert "the corpus has no conversation of dev" in importing().err
    assert len(table(tmp_path / "corpus")) == 8
