"""``ercfw tune``: reads dev only, resumes, is shared by workers; a wrong search space is refused before the search."""

import json
import sys

import pytest

from ercfw.results.run_metrics import read_metrics

optuna = pytest.importorskip("optuna")

TUNE = """
[tune]
trials = 5

[tune.space]
"train.lr" = { low = 1e-4, high = 1e-1, log = true }
"encoder.default.width" = { low = 4, high = 32, step = 4 }
"head.emotion.use" = { choices = ["linear", "mlp"] }
"""


def trials(folder):
    study = optuna.load_study(study_name=None, storage=f"sqlite:///{folder / 'trials.db'}")
    return [trial for trial in study.trials if trial.state.name in ("COMPLETE", "PRUNED")]


@pytest.mark.slow
def test_the_best_recipe_is_written_and_gives_the_score_it_promises(cli, tiny_recipe, tmp_path):
    ended = cli("tune", tiny_recipe(TUNE), "train.epochs=3", "--json")
    assert ended.code == 0, ended.err
    printed = json.loads(ended.out)
    assert printed["stamps"] == ["SIMULATED"]
    folder = tmp_path / "runs/tiny/tune-base"
    scored = {t.number: t.value for t in trials(folder) if t.state.name == "COMPLETE"}
    assert len(trials(folder)) == 5
    assert printed["dev"] == max(scored.values()) == scored[printed["trial"]]
    assert set(printed["best"]) == {"train.lr", "encoder.default.width", "head.emotion.use"}
    assert printed["best"]["encoder.default.width"] % 4 == 0
    assert "SIMULATED" in (folder / "best.toml").read_text()
    again = json.loads(cli("run", folder / "best.toml", "--json").out)[0]
    assert again["scores"]["dev"]["emotion"]["weighted-f1"] == printed["dev"]


def test_no_trial_reads_test_and_none_keeps_weights(cli, tiny_recipe, tmp_path):
    assert cli("tune", tiny_recipe(TUNE), "tune.trials=2").code == 0
    for number in range(2):
        folder = tmp_path / f"runs/tiny/tune-base/trial-{number}"
        metrics = read_metrics(folder)
        assert list(metrics.scores) == ["dev"]
        assert metrics.size("test").utterances == 0
        assert not list(folder.glob("*.safetensors"))


@pytest.mark.slow
def test_it_goes_on_where_it_was(cli, tiny_recipe, tmp_path):
    recipe = tiny_recipe(TUNE)
    assert cli("tune", recipe, "tune.trials=2").code == 0
    before = [(t.number, t.params) for t in trials(tmp_path / "runs/tiny/tune-base")]
    ended = cli("tune", recipe, "tune.trials=4")
    assert "2 of 4 trials were done before" in ended.err
    after = [(t.number, t.params) for t in trials(tmp_path / "runs/tiny/tune-base")]
    assert after[:2] == before
    assert len(after) == 4
    assert after[2][1] not in [params for _, params in before]


def test_hopeless_trials_are_given_up(cli, tiny_recipe, tmp_path, monkeypatch):
    below_2 = optuna.pruners.ThresholdPruner(lower=2.0)  # as every score is, so every trial is hopeless
    monkeypatch.setattr("optuna.pruners.MedianPruner", lambda: below_2)
    cli("tune", tiny_recipe(TUNE), "train.epochs=9", "tune.trials=2").check(1, "no trial was scored")
    states = [t.state.name for t in trials(tmp_path / "runs/tiny/tune-base")]
    assert states == ["PRUNED", "PRUNED"]
    history = (tmp_path / "runs/tiny/tune-base/trial-0/history.jsonl").read_text()
    assert len(history.splitlines()) == 1


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            '"train.lr" = { low = 1e-4, high = 1e-1, log = true }||"train.lrr" = { low = 1, high = 2 }',
            "[tune.space] train.lrr = 1",
        ),
        ("low = 4, high = 32, step = 4||low = 0, high = 32", "[tune.space] encoder.default.width = 0"),
        ('"linear", "mlp"||"linear", "nope"', '[tune.space] head.emotion.use = "nope": there is no head named'),
        ("low = 1e-4, high = 1e-1||low = 1e-1, high = 1e-4", "low (0.1) is not below high (0.0001)"),
        ("low = 1e-4||low = -1.0", "log needs a low above 0"),
        ("log = true||log = true, step = 0.1", "log and step exclude each other"),
        ("step = 4||step = 0", "[tune.space.encoder.default.width] step: should be greater than 0"),
        ("step = 4||step = 29", "step (29) is above the distance from low (4) to high (32)"),
        ("step = 4||step = 1e-300", "step (1e-300) is too small"),
        ("step = 4||step = 0.5", "[tune.space] encoder.default.width = 4.0: should be a valid integer"),
        ("high = 32, step = 4||high = 9007199254740993", "whole numbers can be searched from -9007199254740992"),
        ("low = 1e-4, high = 1e-1, log = true||low = -1e308, high = 1e308", "is too large"),
        ("low = 4, high = 32, step = 4||low = 4", "[tune.space.encoder.default.width] high: is missing"),
        ("low = 4, high = 32, step = 4||low = 4, choices = [8]", "choices and low exclude each other"),
        (
            "low = 4, high = 32, step = 4||",
            "[tune.space] encoder.default.width: has no values: set low and high, or choices",
        ),
        ("low = 4, high = 32, step = 4||low = true, high = 32", "[tune.space.encoder.default.width] low: should be"),
        ('"linear", "mlp"||1, true', "choices lists 1 and true, which are the same"),
        ('"linear", "mlp"||', "[tune.space.head.emotion.use] choices: should be a list of at least 1"),
        ('"head.emotion.use" = { choices = ["linear", "mlp"] }||"train" = { choices = [1] }', "[tune.space] train = 1"),
        ('"head.emotion.use"||"train.lr.x"', "[tune.space] train.lr.x = "),
        (
            'head.emotion.use" = { choices = ["linear", "mlp"]||train.protocol" = { choices = ["dev", "release"]',
            "on test",
        ),
        (
            'head.emotion.use" = { choices = ["linear", "mlp"]||train.precision" = { choices = ["no", "bf16"]',
            "all trials share",
        ),
        ("trials = 5||trials = 0", "[tune] trials"),
        ("[tune]||[tune]\npruner = 'wish'", "[tune] pruner"),
    ],
)
def test_a_space_that_cannot_be(cli, tiny_recipe, change, message):
    old, new = change.split("||")
    assert old in TUNE
    ended = cli("tune", tiny_recipe(TUNE.replace(old, new)))
    assert ended.code == 2
    assert any(message in line for line in ended.errors), ended.errors


def test_whole_limits_with_a_broken_step_are_a_grid_that_ends_where_its_steps_end(cli, tiny_recipe, tmp_path):
    space = TUNE.replace("low = 4, high = 32, step = 4", "low = 4, high = 30, step = 4")
    space = space.replace(
        '"head.emotion.use" = { choices = ["linear", "mlp"] }',
        '"encoder.default.dropout" = { low = 0, high = 1, step = 0.3 }',
    )
    ended = cli("tune", tiny_recipe(space), "tune.trials=2")
    assert ended.code == 0, ended.err
    assert "[tune.space] encoder.default.width: its steps end at 28, not at 30" in ended.err
    assert "[tune.space] encoder.default.dropout: its steps end at 0.9, not at 1" in ended.err
    for trial in trials(tmp_path / "runs/tiny/tune-base"):
        assert trial.params["encoder.default.dropout"] == pytest.approx(
            0.3 * round(trial.params["encoder.default.dropout"] / 0.3)
        )


def test_what_is_missing(cli, tiny_recipe, monkeypatch):
    cli("tune", tiny_recipe()).check(2, "[tune]: is missing")
    cli("tune", tiny_recipe(TUNE), "train.protocol=release").check(2, "[tune]: the protocol is release")
    cli("tune", tiny_recipe(TUNE), "--storage", "nosuch://x").check(2, "--storage nosuch://x: cannot be opened")
    monkeypatch.setitem(sys.modules, "optuna", None)
    cli("tune", tiny_recipe(TUNE)).check(2, "ercfw tune: needs optuna..pip install 'ercfw[tune]'")


def test_trials_that_all_fail_end_the_search(cli, tiny_recipe):
    nan = TUNE.replace("low = 1e-4, high = 1e-1", "low = 1e37, high = 1e38")
    ended = cli("tune", tiny_recipe(nan), "train.clip=1e38")
    assert ended.code == 1
    assert "three trials failed, and none has finished" in ended.errors[-1]


@pytest.mark.slow
def test_workers_share_the_search(cli, tiny_recipe, tmp_path):
    ended = cli("tune", tiny_recipe(TUNE), "run.workers=2", "tune.trials=6", "--json")
    assert ended.code == 0, ended.err
    found = trials(tmp_path / "runs/tiny/tune-base")
    assert 6 <= len(found) <= 7  # the one that was going on when the sixth came to its end
    assert len({json.dumps(t.params) for t in found}) == len(found)
