"""The real transcripts and scores of CMU-MOSI, written in MMSA's layout and brought in again."""

import csv
import pickle

import numpy as np
import pytest


def rows_of(path):
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def mosi(real_data, tmp_path):
    """The real table, and a file of MMSA's with its rows in a random order."""
    source = real_data("mosi_scores") / "utterances.csv"
    draw, content = np.random.default_rng(0), {}
    for split, own in (("train", "train"), ("valid", "dev"), ("test", "test")):
        rows = [row for row in rows_of(source) if row["split"] == own]
        draw.shuffle(rows)
        content[split] = {
            "id": [f"{row['conversation']}$_${row['utterance']}" for row in rows],
            "raw_text": np.array([row["text"] for row in rows]),
            "regression_labels": np.array([float(row["sentiment"]) for row in rows]),
            "audio": draw.normal(size=(len(rows), 5, 2)).astype("f4"),
        }
    path = tmp_path / "aligned_50.pkl"
    path.write_bytes(pickle.dumps(content, 4))
    return source, path


def test_it_comes_back(mosi, cli, tmp_path):
    source, path = mosi
    assert cli("data", "import", "mmsa", path, "--to", tmp_path / "made").code == 0
    real, made = rows_of(source), rows_of(tmp_path / "made" / "utterances.csv")

    def key(row):
        return row["conversation"], int(row["utterance"])

    assert len(made) == len(real) == 2199
    for one, other in zip(sorted(real, key=key), sorted(made, key=key), strict=True):
        assert [one[name] for name in ("utterance", "text", "split")] == [
            other[name] for name in ("utterance", "text", "split")
        ]
        assert np.float32(one["sentiment"]) == np.float32(other["sentiment"])
    clips = {}
    for row in made:
        clips.setdefault(row["conversation"], []).append(int(row["utterance"]))
    assert all(numbers == sorted(numbers) for numbers in clips.values())


def test_into_the_real_corpus(mosi, cli, tmp_path):
    source, path = mosi
    root = tmp_path / "corpus"
    root.mkdir()
    (root / "utterances.csv").symlink_to(source)
    result = cli("data", "import", "mmsa", path, "--to", root)
    assert result.code == 0, result
    assert "labels: 2199 of 2199 agree" in result.out
    assert [path.name for path in root.glob("*.safetensors")] == ["audio.safetensors"]
