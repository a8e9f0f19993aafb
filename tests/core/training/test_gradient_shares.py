"""Shares of the gradient, beside a backward pass for each loss and cases whose shares are known."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from ercfw.contract.batch import HeadOutput, Outputs, Rows
from ercfw.data.collate import batches, collate
from ercfw.model.losses import WeightedLosses
from ercfw.training.gradient_shares import BATCHES, gradient_shares

FLAT = """\
from ercfw import Loss, hookimpl


class Flat(Loss):
    def forward(self, outputs, targets):
        return outputs.heads[self.target].logits.sum() * 0


@hookimpl
def provide_losses():
    return {"flat": Flat}
"""


def shares_of(folder):
    return json.loads((folder / "metrics.json").read_text())["gradient_shares"]


def test_the_same_loss_with_other_weights_has_shares_as_its_weights(cli, tiny_recipe, tmp_path):
    words = ("loss.cross-entropy.weight=0.25", "loss.focal={weight=0.75,gamma=0}", "train.epochs=3")
    assert cli("run", tiny_recipe(), *words).code == 0
    folder = tmp_path / "runs/tiny/base/seed-0"
    for of_moment in shares_of(folder).values():
        assert of_moment == pytest.approx({"cross-entropy": 0.25, "focal": 0.75}, rel=1e-4)
    report = (folder / "report.md").read_text()
    assert "share of the gradient" in report
    assert "75 %" in report


def test_the_history_has_the_shares_of_the_first_and_the_best_epoch(cli, tiny_recipe, tmp_path):
    words = ("loss.focal={gamma=2}", "train.epochs=3", "train.lr=0.01")
    assert cli("run", tiny_recipe(), *words).code == 0
    folder = tmp_path / "runs/tiny/base/seed-0"
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    best = max(lines, key=lambda line: line["selected"])
    found = {line["epoch"]: line["gradient_shares"] for line in lines if "gradient_shares" in line}
    shares = shares_of(folder)
    assert found == {1: shares["untrained"], best["epoch"]: shares["best"]}
    assert shares["untrained"] != shares["best"]


def test_a_step_in_parts_is_measured_by_one_part(cli, tiny_recipe, tmp_path):
    found = {}
    for parts in (1, 2):
        words = ("loss.focal={gamma=2}", "data.batch_size=2", f"train.accumulate={parts}", "--out", f"parts-{parts}")
        assert cli("run", tiny_recipe(), *words).code == 0
        found[parts] = shares_of(tmp_path / f"parts-{parts}/tiny/base/seed-0")["untrained"]
    assert found[2] == found[1]
    assert sum(found[1].values()) == pytest.approx(1)


def test_a_single_loss_is_not_measured(cli, tiny_recipe, tmp_path):
    assert cli("run", tiny_recipe(), "train.epochs=1").code == 0
    folder = tmp_path / "runs/tiny/base/seed-0"
    assert shares_of(folder) == {}
    assert "gradient_shares" not in (folder / "history.jsonl").read_text()
    assert "share of the gradient" not in (folder / "report.md").read_text()


def test_a_loss_without_gradient_is_named(cli, tiny_recipe, tmp_path, plugin_file):
    plugin_file(FLAT)
    ended = cli("run", tiny_recipe(), "plugins=['./mine.py']", "loss.flat={}", "train.epochs=1")
    assert "loss 'flat' has no gradient: the model trains as without it" in ended.err
    assert shares_of(tmp_path / "runs/tiny/base/seed-0")["best"] == {"cross-entropy": 1.0, "flat": 0.0}


class Sums(nn.Module):
    """A model of one matrix, with dropout, so that the random numbers count."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.linear, self.dropout = nn.Linear(dim, 3), nn.Dropout(0.5)

    def forward(self, inputs):
        logits = self.linear(self.dropout(next(iter(inputs.streams.values())).values))
        return Outputs({"emotion": HeadOutput(logits, logits)}, Rows.of(inputs))


class Power(nn.Module):
    def __init__(self, power: int) -> None:
        super().__init__()
        self.power = power

    def forward(self, outputs, targets):
        return outputs.heads["emotion"].logits.pow(self.power).mean()


def test_shares_are_those_of_a_backward_pass_for_each_loss(training):
    state, plan = training("data.batch_size=4")
    width = next(iter(collate(plan.watched.train[:1]).inputs.streams.values())).values.shape[1]
    state.model, model = Sums(width), Sums(width)
    weights = {name: torch.randn_like(x) for name, x in model.state_dict().items()}
    losses = WeightedLosses({"square": Power(2), "fourth": Power(4)}, {"square": 2.0, "fourth": 0.1})
    dropping = gradient_shares(state, plan, losses, weights)
    assert gradient_shares(state, plan, losses, weights) == dropping  # the random numbers are the seed's
    state.model.dropout.p = 0.0
    found = gradient_shares(state, plan, losses, weights)
    assert found != pytest.approx(dropping)
    model.load_state_dict(weights)
    model.eval()
    order = np.random.default_rng([0, 1]).permutation(len(plan.watched.train))
    expected = []
    for batch in list(batches([plan.watched.train[n] for n in order], 4))[:BATCHES]:
        norms = []
        for power, weight in ((2, 2.0), (4, 0.1)):
            model.zero_grad()
            (weight * model(collate(batch).inputs).heads["emotion"].logits.pow(power).mean()).backward()
            norms.append(sum(p.grad.square().sum() for p in model.parameters()).sqrt().item())
        expected.append([norm / sum(norms) for norm in norms])
    assert len(expected) == BATCHES
    assert list(found.values()) == pytest.approx([sum(column) / BATCHES for column in zip(*expected, strict=True)])
