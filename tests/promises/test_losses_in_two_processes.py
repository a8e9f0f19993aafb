"""Losses with weights of their own, two passes, extras and mixtures: in two processes and in parts as in one."""

import json

import pytest

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
use = "penalised"
[head.emotion]
use = "auxiliary-linear"
[loss.r-drop]
[loss.view-cross-entropy]
[loss.self-distillation]
[loss.size]
use = "extra"
name = "fusion.size"
weight = 0.1
[train]
epochs = 3
lr = 1e-2
clip = 1.0
save_seconds = 0
device = "cpu"
"""
IN_PARTS = ("data.batch_size=1", "train.accumulate=5")
PLUGIN = """
import torch
from ercfw import Fused, FusionBlock, Loss, hookimpl


class Penalised(FusionBlock):
    '''Puts all modalities side by side; has a penalty, and keeps the vectors before they are mixed.'''
    def __init__(self, dims, info):
        super().__init__(dims, info)
        self.out_dim = sum(dims.values())
        self.scale = torch.nn.Parameter(torch.ones(self.out_dim))

    def forward(self, xs, inputs):
        joint = self.scale * torch.cat(list(xs.values()), -1)
        return Fused(joint, extras={"size": joint.square().mean(-1), "before": joint})


class Partners(Loss):
    '''How far mixtures are from what their extras say.'''
    requires = ("fusion.before", "context.joint.partner")

    def forward(self, outputs, targets):
        share = outputs.extras["context.joint.share"].unsqueeze(-1)
        x, partner = outputs.extras["fusion.before"], outputs.extras["context.joint.partner"]
        apart = share * x + (1 - share) * x[partner] - outputs.heads[self.target].embedding
        return apart.square().mean()


@hookimpl
def provide_fusions():
    return {"penalised": Penalised}


@hookimpl
def provide_losses():
    return {"partners": Partners}
"""
MIXED = (
    "context.joint.use=mixup", "loss.mixup-cross-entropy={}", "loss.partners={}", "head.emotion.use=linear",
    "--drop", "loss.self-distillation", "--drop", "loss.r-drop",
)  # fmt: skip


@pytest.fixture
def recipe(tmp_path, plugin_file):
    plugin_file(PLUGIN + forked.NO_PICTURES)
    path = tmp_path / "shared.toml"
    path.write_text(RECIPE)
    return path


def history(folder):
    lines = (folder / "shared/base/seed-0/history.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def shared(*words):
    code, said = forked.run(*words, "--processes", "2")
    assert code == 0, said


@pytest.mark.slow
@pytest.mark.parametrize("parts", [(), IN_PARTS], ids=["at once", "in parts"])
def test_two_processes_train_what_one_does(cli, recipe, tmp_path, parts):
    shared("run", recipe, "--out", "two", *parts)
    alone = cli("run", recipe, "--out", "one")
    assert alone.code == 0, alone.err
    for ours, theirs in zip(history(tmp_path / "one"), history(tmp_path / "two"), strict=True):
        for kind in ("train_loss", "watched_loss"):
            assert theirs[kind] == pytest.approx(ours[kind], abs=1e-5)
        assert all(value > 0 for value in ours["train_loss"].values())


@pytest.mark.slow
@pytest.mark.parametrize("parts", [(), IN_PARTS], ids=["at once", "in parts"])
def test_partners_of_mixtures_are_found_in_the_whole_batch(recipe, tmp_path, parts):
    """The head's embedding is the mixture, so it must be that of the rows that the extras name."""
    shared("run", recipe, "--out", "two", *MIXED, *parts)
    lines = history(tmp_path / "two")
    assert all(line["train_loss"]["partners"] < 1e-10 for line in lines)
    assert lines[-1]["train_loss"]["mixup-cross-entropy"] > 0


def test_partners_of_mixtures_in_parts(cli, recipe, tmp_path):
    short = ("--drop", "context.default", "train.epochs=1", "train.save_seconds=9")
    assert cli("run", recipe, *MIXED, *IN_PARTS[:1], "train.accumulate=4", *short, "--out", "one").code == 0
    assert all(line["train_loss"]["partners"] < 1e-10 for line in history(tmp_path / "one"))


@pytest.mark.slow
def test_a_killed_run_goes_on_with_the_same_weights_of_its_losses(cli, recipe, tmp_path):
    """The state of a loss is in the checkpoint: the second half of a run is that of an undisturbed one."""
    from ercfw.contract.hooks import Epoch
    from ercfw.experiment.run import Run

    assert cli("run", recipe, "--out", "whole").code == 0
    train = Run._train

    def stops(self, training, plan, bars, log):
        def watch(line: Epoch) -> None:
            if line["epoch"] == 2:
                raise KeyboardInterrupt

        self.watch = watch
        return train(self, training, plan, bars, log)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Run, "_train", stops)
        assert cli("run", recipe, "--out", "again").code != 0
    assert cli("run", recipe, "--out", "again", "--resume").code == 0
    for ours, theirs in zip(history(tmp_path / "whole"), history(tmp_path / "again"), strict=True):
        assert theirs["train_loss"] == ours["train_loss"]
        assert theirs["watched_loss"] == ours["watched_loss"]
