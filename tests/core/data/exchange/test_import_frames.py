"""Frames and scores that a format hands out: placed by their lengths, and refused if these do not fit."""

import csv
from dataclasses import replace

import numpy as np
import pytest

from ercfw import FeatureTable, Published, PublishedFrames, PublishedScores


@pytest.fixture
def published(tmp_path):
    """Two frames, none, and one; then one and two."""
    path = tmp_path / "made.pkl"
    path.write_bytes(b"")
    lengths = {"a": [2, 0, 1], "b": [1], "c": [2]}
    return Published(
        paths=(path,),
        corpus="table",
        classes=("low", "high"),
        lists={"train": ["a"], "dev": ["b"], "test": ["c"]},
        utterances={"a": ["0", "1", "2"], "b": ["0"], "c": ["0"]},
        speakers={"a": ["Ann", "Bob", "Ann"], "b": ["Ann"], "c": ["Ann"]},
        labels={"a": [0, 1, 1], "b": [0], "c": [1]},
        sentences={"a": ["x", "y", "z"], "b": ["x"], "c": ["y"]},
        frames={"audio": PublishedFrames(np.arange(12, dtype="f4").reshape(6, 2), lengths)},
        scores={"arousal": PublishedScores({"a": [0.1, 2 / 3, 1e-9], "b": [-0.0], "c": [1.0]}, (0, 1))},
    )


@pytest.fixture
def importing(published, cli, tmp_path, monkeypatch):
    """``importing(change=value)``: import what the format hands out, with these fields changed."""

    def run(**changes):
        monkeypatch.setattr("ercfw_formats.mmsa.Mmsa.read", lambda *_: replace(published, **changes))
        return cli("data", "import", "mmsa", published.paths[0], "--to", tmp_path / "corpus")

    return run


def test_as_they_are(importing, tmp_path):
    assert importing().code == 0
    store = FeatureTable.load(tmp_path / "corpus" / "audio.safetensors")
    assert store.lengths.tolist() == [2, 0, 1, 1, 2]
    assert store.present.tolist() == [True, False, True, True, True]
    np.testing.assert_array_equal(store.values, np.arange(12).reshape(6, 2))
    with (tmp_path / "corpus" / "utterances.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["arousal"] for row in rows] == ["0.1", "0.6666667", "0.000000001", "0", "1"]
    assert [row["label"] for row in rows] == ["low", "high", "high", "low", "high"]


def test_no_frames_at_all(importing, published, tmp_path):
    empty = PublishedFrames(np.zeros((0, 2), "f4"), {key: [0] * len(of) for key, of in published.utterances.items()})
    assert importing(frames={"audio": empty}).code == 0
    assert not (tmp_path / "corpus" / "audio.safetensors").exists()


@pytest.mark.parametrize(
    ("rows", "lengths", "says"),
    [
        (6, {"a": [2, 1], "b": [1], "c": [2]}, "'audio', conversation a: has 2 lengths for 3 utterances"),
        (5, {"a": [2, 0, 1], "b": [1], "c": [2]}, "'audio': has 5 frames, but the lengths add up to 6"),
        (6, {"a": [7, -2, 0], "b": [1], "c": [0]}, "holds lengths that are not whole numbers from 0"),
        (5, {"a": [2, 0, 1], "c": [2]}, "the files have no 'audio' for dev"),
    ],
)
def test_lengths_that_do_not_fit(importing, rows, lengths, says):
    result = importing(frames={"audio": PublishedFrames(np.ones((rows, 2), "f4"), lengths)})
    if says.startswith("the files"):
        assert result.code == 0
        assert says in result.err
    else:
        result.check(2, says)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"scores": {"arousal": PublishedScores({"a": [0.1], "b": [0], "c": [0]}, (0, 1))}},
         "conversation a: ids, speakers, texts and labels differ in number"),
        ({"scores": {"arousal": PublishedScores({"a": [0.1, 2, 0], "b": [0], "c": [0]}, (0, 1))}},
         "corpus/utterances.csv, as made, line 3: arousal: 2 is out of range"),
    ],
)  # fmt: skip
def test_scores_that_do_not_fit(importing, tmp_path, changes, says):
    importing(**changes).check(2, says)
    assert not (tmp_path / "corpus").exists()


def test_a_corpus_with_fewer_scores_than_the_file(importing, published, tmp_path):
    """Its unlabelled utterances are told, and not compared."""
    assert importing().code == 0
    table = tmp_path / "corpus" / "utterances.csv"
    table.write_text(table.read_text().replace("0.1", ""))
    again = importing()
    assert "labels: 4 of 4 agree" in again.out
    assert "labels that are not compared, because the corpus lacks them: 1" in again.err


def test_a_warning_of_the_format_is_one_of_the_import(importing, published, monkeypatch, cli, tmp_path):
    import warnings

    def read(*_):
        warnings.warn("three values are odd", stacklevel=1)
        return published

    monkeypatch.setattr("ercfw_formats.mmsa.Mmsa.read", read)
    result = cli("data", "import", "mmsa", published.paths[0], "--to", tmp_path / "corpus")
    assert "warning: three values are odd" in result.err
    assert "UserWarning" not in result.err
