"""The loop: gradients over several batches, clipping, patience, ties, what is read when, and starting weights."""

import json
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from ercfw.contract.interfaces import Loss
from ercfw.data.load import load_data, make_dataset
from ercfw.errors import InputError, RunError
from ercfw.experiment.plan import Selection, plan_jobs
from ercfw.recipe.overrides import parse_overrides
from ercfw.recipe.recipe_file import read_toml
from ercfw.results.model_file import load_model
from ercfw.training import evaluate, loop
from ercfw.training.loop import fit
from ercfw.training.state import Listeners

SGD = ("train.optimizer=sgd", "train.lr=1.0")


def go(training, plan):
    lines = []
    fit(training, plan, Listeners(epoch=lines.append))
    return lines


def weights(training):
    return torch.cat([p.detach().flatten() for p in training.model.parameters()])


def unlabel_unevenly(conversation):
    """No label at all in some conversations, some labels in others."""
    number = int(conversation.id.split("/")[1])
    labels = conversation.labels["emotion"].copy()
    labels[number % 3 :: 2 if number % 4 else 1] = -100
    return replace(conversation, labels={"emotion": labels})


COUPLED = ("loss.supcon={}", "loss.swfc={}", "loss.cross-entropy.class_weights=balanced")


WITH_MORE = (
    "head.emotion.use=auxiliary-linear", "loss.self-distillation={}", "loss.view-cross-entropy={}", "loss.r-drop={}",
)  # fmt: skip


@pytest.mark.parametrize("words", [(), COUPLED, WITH_MORE], ids=["rows apart", "coupled", "two passes, own weights"])
@pytest.mark.parametrize("change", [lambda c: c, unlabel_unevenly], ids=["labelled", "unlabelled rows"])
@pytest.mark.parametrize("accumulate", [3, 5])
def test_accumulation_is_the_whole_batch(training, change, words, accumulate):
    """Losses that couple the batch too; five times three conversations, of twelve, leave parts without any."""
    size = 12 // accumulate + 1
    parts, plan = training(*SGD, f"data.batch_size={size}", f"train.accumulate={accumulate}", *words, change=change)
    before = weights(parts)
    lines = go(parts, plan)
    whole, plan = training(*SGD, f"data.batch_size={size * accumulate}", *words, change=change)
    assert go(whole, plan)[0]["train_loss"] == pytest.approx(lines[0]["train_loss"], abs=1e-6)
    assert (weights(whole) - before).norm() > 0.01
    torch.testing.assert_close(weights(parts), weights(whole), rtol=0, atol=1e-6)
    own = [torch.cat([torch.zeros(1), *(p.flatten() for p in each.losses.parameters())]) for each in (parts, whole)]
    torch.testing.assert_close(*own, rtol=0, atol=1e-6)


def test_a_last_group_that_is_not_full_is_a_step_of_its_own(training):
    parts, plan = training(*SGD, "data.batch_size=4", "train.accumulate=2")
    go(parts, plan)
    order = np.random.default_rng([0, 1]).permutation(12)
    two, plan = training(*SGD, "data.batch_size=8")
    assert list(order) != sorted(order)
    go(two, plan)
    torch.testing.assert_close(weights(parts), weights(two), rtol=0, atol=1e-6)


def test_clipping_bounds_the_step(training):
    free, plan = training(*SGD, "data.batch_size=12")
    before = weights(free)
    go(free, plan)
    assert (weights(free) - before).norm() > 0.05
    clipped, plan = training(*SGD, "data.batch_size=12", "train.clip=0.01")
    go(clipped, plan)
    assert float((weights(clipped) - before).norm()) == pytest.approx(0.01, rel=1e-3)


def by_epoch(*values):
    left = iter(values)
    return lambda *_: next(left)


@pytest.mark.parametrize(("later_wins", "best"), [(False, 2), (True, 4)])
def test_of_equal_epochs(training, later_wins, best):
    begun, plan = training("train.epochs=5", metrics=by_epoch(0.1, 0.3, 0.2, 0.3, 0.0), later_wins=later_wins)
    kept = {}
    fit(begun, plan, Listeners(epoch=lambda line: kept.update({line["epoch"]: weights(begun)})))
    assert begun.best_epoch == best
    best_weights = torch.cat([begun.best[name].flatten() for name, _ in begun.model.named_parameters()])
    assert torch.equal(best_weights, kept[best])
    assert not torch.equal(best_weights, kept[5])


def test_patience_ends_a_training_that_no_longer_gains(training):
    scores = by_epoch(0.1, 0.2, 0.15, 0.2, 0.9)
    begun, plan = training("train.epochs=5", "train.patience=2", metrics=scores)
    assert [line["epoch"] for line in go(begun, plan)] == [1, 2, 3, 4]
    assert begun.best_epoch == 2


def test_plateau_reads_the_watched_loss(training):
    begun, plan = training("train.epochs=3", "train.schedule=plateau", "train.plateau_patience=0",
                           "train.plateau_factor=0.5", "train.plateau_threshold=0.9", "train.lr=0.5")  # fmt: skip
    assert [line["lr"] for line in go(begun, plan)] == [0.5, 0.5, 0.25]


def test_a_training_learns(training):
    begun, plan = training("train.epochs=12")
    losses = [line["train_loss"]["cross-entropy"] for line in go(begun, plan)]
    assert losses[-1] < 0.75 * losses[0]


class NotANumber(Loss):
    def forward(self, outputs, targets):
        return outputs.heads["emotion"].logits.sum() * float("nan")


def test_what_is_not_a_number_ends_a_training_by_name(training):
    begun, plan = training(loss=NotANumber("emotion", None))
    with pytest.raises(RunError, match=r"epoch 1, batch 1: loss 'cross-entropy' is nan"):
        go(begun, plan)
    begun, plan = training(metrics=lambda *_: float("nan"))
    with pytest.raises(RunError, match=r"epoch 1: emotion.mine, which chooses the epoch, is nan"):
        go(begun, plan)


def test_test_is_read_once_and_last(cli, tiny_recipe, monkeypatch):
    """Every batch that a model sees is put together by ``take_share``: under "dev" none holds test until the end.

    There it is read by the best weights, and for its embeddings by those before training, which nothing is chosen by.
    """
    from ercfw.training import loop as train

    seen = []

    def spy(conversations, *place):
        seen.extend((c.split, c.id) for c in conversations)
        return share(conversations, *place)

    share = train.take_share
    monkeypatch.setattr(train, "take_share", spy)
    monkeypatch.setattr(evaluate, "take_share", spy)
    assert cli("run", tiny_recipe(), "train.epochs=3", "train.schedule=plateau").code == 0
    splits = [split for split, _ in seen]
    first = splits.index("test")
    assert splits.count("train") == 3 * 12
    assert set(splits[first:]) == {"test"}
    best, untrained = seen[first : (first + len(seen)) // 2], seen[(first + len(seen)) // 2 :]
    assert best == untrained
    assert len(best) == len(set(best)) > 1


def test_init_from_starts_with_a_runs_weights(cli, tiny_recipe, tmp_path):
    assert cli("run", tiny_recipe(), "train.epochs=3").code == 0
    folder = tmp_path / "runs/tiny/base/seed-0"
    still = ["train.lr=1e-30", "train.optimizer=sgd", f"train.init_from={folder}"]
    ended = cli("run", tiny_recipe(name="again"), *still, "--json")
    assert ended.code == 0, ended.err
    (again,) = json.loads(ended.out)
    first = json.loads((folder / "metrics.json").read_text())
    assert again["scores"] == first["scores"]
    tensors, _, _ = load_model(folder / "model.safetensors")
    after, _, _ = load_model(tmp_path / again["folder"] / "model.safetensors")
    assert all(torch.equal(tensors[name], after[name]) for name in tensors)
    ended = cli("run", tiny_recipe(name="third"), "train.init_from=nowhere")
    assert ended.code == 2
    assert "[train] init_from" in ended.err
    assert "nowhere" in ended.err
    assert "Traceback" not in ended.err


def test_release_merges_dev_and_holds_a_twentieth_out(training, tiny_recipe):
    from ercfw.training.protocol import watched_splits

    (job,) = plan_jobs(read_toml(tiny_recipe()), Selection(overrides=parse_overrides(["data.conversations=90"])))
    data = load_data(job.recipe, job.parts.extractors, make_dataset(job.parts.dataset), lambda *_: None)
    watched = watched_splits("release", data.splits, "emotion", seed=1)
    merged = {c.id for split in ("train", "dev") for c in data.splits[split]}
    held_out, learnt = {c.id for c in watched.schedule}, {c.id for c in watched.train}
    assert held_out | learnt == merged
    assert not held_out & learnt
    assert len(held_out) == int(0.05 * len(merged)) == 5
    assert watched.select is data.splits["test"]
    assert watched.later_wins
    assert held_out != {c.id for c in watched_splits("release", data.splits, "emotion", seed=2).schedule}
    like_meld = {
        "train": data.splits["train"][:1] * 1038,
        "dev": data.splits["train"][:1] * 114,
        "test": data.splits["test"],
    }
    assert len(watched_splits("release", like_meld, "emotion", seed=1).schedule) == 57  # as in the released code
    honest = watched_splits("dev", data.splits, "emotion", seed=1)
    assert [c.id for c in honest.train] == [c.id for c in data.splits["train"]]
    assert honest.select is honest.schedule is data.splits["dev"]
    assert not honest.later_wins


@pytest.mark.parametrize(("protocol", "split"), [("dev", "dev"), ("release", "test")])
def test_the_split_that_chooses_needs_labels(training, tiny_recipe, protocol, split):
    from ercfw.training.protocol import watched_splits

    (job,) = plan_jobs(read_toml(tiny_recipe()), Selection())
    data = load_data(job.recipe, job.parts.extractors, make_dataset(job.parts.dataset), lambda *_: None)
    bare = [replace(c, labels={"emotion": np.full(len(c), -100)}) for c in data.splits[split]]
    with pytest.raises(InputError, match=f"on {split}, which has no label of 'emotion'"):
        watched_splits(protocol, {**data.splits, split: bare}, "emotion", seed=0)


def test_weights_bring_the_stamps_of_their_run_along(cli, tiny_recipe, tmp_path):
    recipe = tiny_recipe()
    assert cli("run", recipe, "data.like=iemocap", "train.protocol=release", "--out", "chosen").code == 0
    source = tmp_path / "chosen/tiny/base/seed-0"
    ended = cli("run", recipe, f"train.init_from={source}", "--json")
    assert ended.code == 0, ended.err
    (metrics,) = json.loads(ended.out)
    assert metrics["stamps"] == ["SIMULATED", "CHOSEN ON TEST"]
    assert any(str(source) in note for note in metrics["notes"])


FAILING = """
import torch
from ercfw import Loss, hookimpl

class Failing(Loss):
    def forward(self, outputs, targets):
        if len(targets[self.target]) > 6:
            raise ValueError("no more than six")
        return outputs.heads[self.target].logits.sum()

@hookimpl
def provide_losses():
    return {"failing": Failing}
"""


def test_a_part_that_fails_on_a_real_batch_is_named_with_the_place(cli, tiny_recipe, plugin_file):
    plugin_file(FAILING)
    ended = cli("run", tiny_recipe(top='plugins = ["./mine.py"]\n'), "loss.failing={}")
    ended.check(1, "epoch 1, batch 1: ValueError: no more than six (mine.py, line 8)")


def test_a_nan_met_in_scoring_names_the_epoch(cli, tiny_recipe):
    ended = cli("run", tiny_recipe(), "train.lr=1e30", "train.optimizer=sgd", "data.batch_size=100")
    assert ended.code == 1
    assert "seed-0: epoch 1, " in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(("seconds", "took", "between"), [(5, 0.25, 5), (5, 0.5, 10), (5, 1, 20), (0, 1, 1)])
def test_saving_takes_at_most_a_twentieth_of_the_time(training, monkeypatch, seconds, took, between):
    """By a clock on which a step takes a second."""
    clock, steps, saved = [0.0], [0], []

    def save(*_):
        clock[0] += took
        saved.append(steps[0])

    def step():
        clock[0] += 1
        steps[0] += 1

    monkeypatch.setattr(loop, "save", save)
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: clock[0], perf_counter=time.perf_counter))
    parts, plan = training("train.epochs=5", f"train.save_seconds={seconds}", "data.batch_size=1")
    fit(parts, plan, Listeners(step=step))
    *due, end = sorted(set(saved))  # without a wait, an epoch's last step is saved with and without its scores
    assert np.diff(due).tolist() == [between] * (len(due) - 1)
    assert end - due[-1] <= between
