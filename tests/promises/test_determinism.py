"""The same recipe and seed give the same numbers, bit for bit."""

import json

import pytest

NAMES = ("model.safetensors", "predictions.csv", "recipe.toml", "key.txt")


@pytest.fixture
def run(cli, tiny_recipe, tmp_path):
    """The files of a run with dropout, and its numbers without timings."""
    path = tiny_recipe("clip = 1.0", top="")
    path.write_text(
        path.read_text().replace(
            "width = 8\n\n", 'width = 8\ndropout = 0.3\n\n[context.joint]\nuse = "gru"\nwidth = 6\n\n'
        )
    )

    def go(out, *words, seed=0, variant="base"):
        ended = cli("run", path, "train.epochs=3", "--out", out, *words)
        assert ended.code == 0, ended.err
        folder = tmp_path / out / "tiny" / variant / f"seed-{seed}"
        history = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
        metrics = json.loads((folder / "metrics.json").read_text())
        for changing in (*history, metrics):
            changing.pop("seconds")
        metrics.pop("folder")
        metrics.pop("peak_memory")
        return {name: (folder / name).read_bytes() for name in NAMES}, history, metrics

    return go


def test_the_same_command_twice(run):
    assert run("first") == run("second")


def test_another_seed_is_another_run_on_the_same_data(run):
    (files, history, metrics), (others, other_history, other_metrics) = run("a"), run("a", "--seeds", "7,", seed=7)
    assert files["model.safetensors"] != others["model.safetensors"]
    assert history != other_history
    assert metrics["sizes"] == other_metrics["sizes"]
    assert metrics["streams"] == other_metrics["streams"]


@pytest.mark.slow
def test_a_seed_does_not_depend_on_what_ran_before_it(run):
    alone = run("alone", "--seeds", "7,", seed=7)
    after = run("after", "--seeds", "3,7", seed=7)
    assert alone == after


@pytest.mark.slow
@pytest.mark.parametrize("setting", ["optimizer=sgd", "optimizer=rmsprop", "weight_decay=0.1", "clip=0.01"])
def test_settings_change_the_numbers(run, setting):
    assert run("a")[1] != run("b", f"train.{setting}")[1]
