"""``history.jsonl`` is read by types: what ercfw did not write is one message."""

import json

import pytest

from ercfw.errors import InputError
from ercfw.results.finished_run import open_run
from ercfw.results.history import read_history


@pytest.fixture
def run(runs, tmp_path):
    """A copy of a finished run."""
    import shutil

    return shutil.copytree(runs / "base" / "seed-0", tmp_path / "run")


def test_what_a_run_wrote_is_read_whole(run):
    lines = (run / "history.jsonl").read_text().splitlines()
    assert open_run(run).history == [json.loads(line) for line in lines]


def test_nothing_was_trained(tmp_path):
    assert read_history(tmp_path / "history.jsonl") == []


@pytest.mark.parametrize(
    "line",
    [
        "",
        "[]",
        '"text"',
        "{}",
        "[" * 100_000,
        '{"epoch": 1, "lr": 1e-3, "seconds": 1.0, "selected": "high", "train_loss": {}, "watched_loss": {}}',
        '{"epoch": 1, "lr": 1e-3, "seconds": 1.0, "selected": 0.5, "train_loss": 3, "watched_loss": {}}',
        '{"epoch": 0, "lr": 1e-3, "seconds": 1.0, "selected": 0.5, "train_loss": {}, "watched_loss": {}}',
        '{"epoch": 7, "lr": 1e-3, "seconds": 1.0, "selected": 0.5, "train_loss": {}, "watched_loss": {}}',
        '{"epoch": 1, "lr": 1%s, "seconds": 1.0, "selected": 0.5, "train_loss": {}, "watched_loss": {}}' % ("0" * 5000),
        "\udcff",
    ],
)
def test_another_line_is_one_message(line, run):
    (run / "history.jsonl").write_bytes((line + "\n").encode("utf-8", "surrogateescape"))
    with pytest.raises(InputError, match=r"history\.jsonl"):
        _ = open_run(run).history


def test_the_best_epoch_must_be_there(run):
    metrics = json.loads((run / "metrics.json").read_text())
    (run / "metrics.json").write_text(json.dumps({**metrics, "best_epoch": 99}))
    with pytest.raises(InputError, match="but the best one is number 99"):
        _ = open_run(run).history
