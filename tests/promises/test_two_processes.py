"""Two processes train what one does; half precision in a process of its own (Accelerate's state is one a process)."""

import csv
import json

import pytest
import torch

from ercfw.results.model_file import load_model
from tests import forked

RECIPE = """
schema = 1
plugins = ["./mine.py"]
title = "Shared"
[data]
use = "simulated"
conversations = 11  # in fives: the last batch is one conversation, and so is all of dev
modalities = ["text", "audio"]
widths = { text = 8, audio = 6, visual = 4 }
batch_size = 5
[encoder.default]
use = "linear"
width = 8
[context.default]
use = "dialogue-rnn"
width = 8
[fusion]
use = "multiattn"
layers = 1
heads = 2
ffn = 8
[head.emotion]
use = "multiemo"
width = 8
hidden = 8
[loss.swfc]
weight = 0.2
[loss.soft-hgr]
weight = 0.2
[loss.supcon]
weight = 0.1
[loss.cross-entropy]
weight = "rest"
[train]
epochs = 3
lr = 1e-2
clip = 1.0
weight_decay = 1e-3
schedule = "plateau"
plateau_patience = 0
device = "cpu"
"""
IN_PARTS = """
[[variant]]
name = "in parts"
set = { data = { batch_size = 1 }, train = { accumulate = 5 } }
"""
PLUGIN = """
from ercfw import hookimpl

@hookimpl
def provide_metrics():
    return {}
"""


def torchrun(*words):
    return done("--standalone", "--nproc_per_node", "2", "-m", "ercfw", *words, program="torch.distributed.run")


def launched(*words):
    """ercfw starts its own processes."""
    return done(*words, "--processes", "2")


def done(*words, **options):
    code, said = forked.run(*words, **options)
    assert code == 0, said
    return said


@pytest.fixture
def recipe(tmp_path, plugin_file):
    plugin_file(PLUGIN + forked.NO_PICTURES)
    path = tmp_path / "shared.toml"
    path.write_text(RECIPE)
    return path


def read(folder):
    history = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    with (folder / "predictions.csv").open(encoding="utf-8", newline="") as file:
        predictions = list(csv.DictReader(file))
    environment = json.loads((folder / "environment.json").read_text())
    return history, predictions, environment, json.loads((folder / "metrics.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("start", "variants"), [(torchrun, ["base", "in-parts"]), (launched, ["base"])], ids=["torchrun", "processes"]
)
def test_two_processes_train_what_one_does(cli, recipe, tmp_path, start, variants):
    """Also with a fifth of each batch at a time, where most parts of a process have a conversation or none."""
    recipe.write_text(RECIPE + IN_PARTS)
    said = start("run", recipe, "--out", "two", "--json", *(("--variant", "all") if len(variants) > 1 else ()))
    printed = [line for line in said.splitlines() if line.startswith("[")]
    assert len(printed) == 1, "only the first process prints results"
    assert said.count("epoch 1/3") == len(variants)
    alone = cli("run", recipe, "--out", "one")
    assert alone.code == 0, alone.err
    for variant in variants:
        compare(read(tmp_path / "one/shared/base/seed-0"), read(tmp_path / f"two/shared/{variant}/seed-0"))


def compare(one, two):
    """The same training: losses, learning rates, predictions, scores."""
    history, predictions, environment, metrics = one
    shared_history, shared_predictions, shared_environment, shared_metrics = two
    assert (environment["processes"], shared_environment["processes"]) == (1, 2)
    for ours, theirs in zip(history, shared_history, strict=True):
        for kind in ("train_loss", "watched_loss"):
            assert theirs[kind] == pytest.approx(ours[kind], abs=1e-5)
        assert theirs["lr"] == ours["lr"]
    assert history[0]["train_loss"].keys() == {"swfc", "soft-hgr", "supcon", "cross-entropy"}
    assert all(value != 0 for value in history[0]["train_loss"].values())

    names = [tuple(row[key] for key in ("split", "conversation", "utterance")) for row in shared_predictions]
    assert len(names) == len(set(names)) == sum(metrics["sizes"][split]["utterances"] for split in ("dev", "test"))
    for ours, theirs in zip(predictions, shared_predictions, strict=True):
        for key, value in ours.items():
            if ".p." in key:
                assert float(theirs[key]) == pytest.approx(float(value), abs=1e-4)
            else:
                assert theirs[key] == value
    assert shared_metrics["scores"] == metrics["scores"]
    assert shared_metrics["best_epoch"] == metrics["best_epoch"]


@pytest.mark.slow
def test_bf16_trains_in_float32_weights_and_finite_numbers(cli, recipe, tmp_path):
    done("run", recipe, "train.precision=bf16", "--out", "half")
    assert cli("run", recipe, "--out", "full").code == 0
    half, predictions, _, metrics = read(tmp_path / "half/shared/base/seed-0")
    full, *_ = read(tmp_path / "full/shared/base/seed-0")
    assert metrics["epochs"] == 3
    first, other = full[0]["train_loss"], half[0]["train_loss"]
    assert other != first, "autocast was on"
    assert other == pytest.approx(first, rel=0.05, abs=0.02)
    assert all(0 <= float(row["emotion.p.joy"]) <= 1 for row in predictions)
    weights, *_ = load_model(tmp_path / "half/shared/base/seed-0/model.safetensors")
    assert {tensor.dtype for tensor in weights.values()} == {torch.float32}
    assert all(torch.isfinite(tensor).all() for tensor in weights.values())


def test_fp16_needs_a_gpu_and_precisions_do_not_mix(cli, recipe, monkeypatch):
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    ended = cli("run", recipe, "train.precision=fp16")
    assert ended.code == 2
    assert "[train] precision: 'fp16' needs a GPU" in ended.err
    recipe.write_text(RECIPE + '[[variant]]\nname = "half"\nset = { train = { precision = "bf16" } }\n')
    ended = cli("run", recipe, "--variant", "all")
    assert ended.code == 2
    assert "precision must be the same" in ended.err
