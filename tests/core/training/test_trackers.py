"""Trackers: TensorBoard's own reader finds what the run's history has."""

import json
import sys

import pytest


def test_tensorboard_gets_every_epoch_and_the_scores(cli, tiny_recipe, tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    ended = cli("run", tiny_recipe(), 'run.trackers=["tensorboard"]', "train.epochs=3", "--seeds", "2")
    assert ended.code == 0, ended.err
    for seed in (0, 1):
        folder = tmp_path / f"runs/tiny/base/seed-{seed}"
        history = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
        events = EventAccumulator(str(folder / "trackers" / f"tiny-base-{seed}"))
        events.Reload()
        logged = {event.step: event.value for event in events.Scalars("train_loss/cross-entropy")}
        expected = {line["epoch"]: line["train_loss"]["cross-entropy"] for line in history}
        assert logged == pytest.approx(expected, rel=1e-6)
        metrics = json.loads((folder / "metrics.json").read_text())
        (scored,) = events.Scalars("test/emotion/weighted-f1")
        assert scored.step == metrics["best_epoch"]
        assert scored.value == pytest.approx(metrics["scores"]["test"]["emotion"]["weighted-f1"], rel=1e-6)


def test_a_tracker_that_nobody_knows(cli, tiny_recipe):
    ended = cli("run", tiny_recipe(), 'run.trackers=["tensorbord"]')
    ended.check(2, "[run] trackers: Accelerate has no tracker 'tensorbord'..tensorboard")


def test_a_tracker_that_is_not_installed(cli, tiny_recipe, monkeypatch):
    monkeypatch.setattr("accelerate.tracking.get_available_trackers", list)
    ended = cli("run", tiny_recipe(), 'run.trackers=["tensorboard"]')
    ended.check(2, "[run] trackers: 'tensorboard' is not installed..pip install 'ercfw[trackers]'")


def test_no_tracker_is_imported_unless_asked_for(cli, tiny_recipe):
    before = "tensorboard" in sys.modules
    assert cli("run", tiny_recipe()).code == 0
    assert ("tensorboard" in sys.modules) == before
