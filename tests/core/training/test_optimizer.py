"""Optimisers against torch's own, parameter groups, and schedules against their closed forms."""

import math

import pytest
import torch
from torch import nn

from ercfw.errors import InputError
from ercfw.recipe.queries import training_parts_of
from ercfw.recipe.train_tables import ParameterGroup, Train
from ercfw.registry.catalog import load_catalog
from ercfw.registry.resolve import resolve_part
from ercfw.training import optimizer as optimizers
from ercfw.training import schedule as schedules


def parts(settings):
    """The parts that the settings name, by the names of their tables."""
    catalog = load_catalog()
    return {table: resolve_part(catalog, kind, table, part) for kind, table, part in training_parts_of(settings)}


def make_optimizer(settings, modules):
    return optimizers.make_optimizer(settings, parts(settings)["train.optimizer"], modules)


def make_schedule(settings, optimizer, steps_per_epoch):
    steps = (steps_per_epoch,) * settings.epochs
    return schedules.make_schedule(settings, parts(settings).get("train.schedule"), optimizer, steps)


class Grouped(nn.Module):
    def __init__(self):
        super().__init__()
        self.slow = nn.Linear(3, 3)
        self.quick = nn.Linear(3, 1)

    def parameter_groups(self):
        return {"slow": list(self.slow.parameters()), "bias": [self.slow.bias]}

    def forward(self, x):
        return self.quick(self.slow(x))


def stepped(model, optimizer, steps=3):
    torch.manual_seed(1)
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.randn(8, 3)).square().mean().backward()
        optimizer.step()
    return torch.cat([p.detach().flatten() for p in model.parameters()])


def fresh():
    torch.manual_seed(0)
    return Grouped()


@pytest.mark.parametrize(
    ("settings", "theirs"),
    [
        (Train(lr=0.1, weight_decay=0.01), lambda p: torch.optim.Adam(p, lr=0.1, weight_decay=0.01)),
        (Train(lr=0.1, weight_decay=0.5, optimizer="adamw"), lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.5)),
        (Train(lr=0.1, momentum=0.9, optimizer="sgd"), lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9)),
        (Train(lr=0.1, momentum=0.5, optimizer="rmsprop"), lambda p: torch.optim.RMSprop(p, lr=0.1, momentum=0.5)),
    ],
    ids=["adam", "adamw", "sgd", "rmsprop"],
)
def test_an_optimiser_steps_as_torchs_own(settings, theirs):
    ours, other = fresh(), fresh()
    moved = stepped(ours, make_optimizer(settings, ours))
    torch.testing.assert_close(moved, stepped(other, theirs(other.parameters())), rtol=1e-5, atol=1e-6)
    assert not torch.equal(moved, torch.cat([p.detach().flatten() for p in fresh().parameters()]))


def test_a_group_gets_its_settings_and_the_rest_the_recipes():
    model = fresh()
    groups = {"slow": ParameterGroup(lr=1e-5, weight_decay=0.3)}
    optimizer = make_optimizer(Train(lr=0.1, weight_decay=0.01, groups=groups), nn.ModuleList([model]))
    slow, rest = optimizer.param_groups
    assert (slow["lr"], slow["weight_decay"]) == (1e-5, 0.3)
    assert (rest["lr"], rest["weight_decay"]) == (0.1, 0.01)
    assert {id(p) for p in slow["params"]} == {id(p) for p in model.slow.parameters()}
    assert {id(p) for p in rest["params"]} == {id(p) for p in model.quick.parameters()}


def test_frozen_parameters_are_left_out():
    model = fresh()
    model.slow.weight.requires_grad_(False)
    optimizer = make_optimizer(Train(groups={"slow": ParameterGroup(lr=1.0)}), model)
    held = [id(p) for group in optimizer.param_groups for p in group["params"]]
    assert id(model.slow.weight) not in held
    assert len(held) == len(set(held)) == 3


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (Train(groups={"slwo": ParameterGroup(lr=1.0)}), "did you mean 'slow'"),
        (Train(groups={"slow": ParameterGroup(lr=1.0), "bias": ParameterGroup(lr=2.0)}), "shares a parameter"),
        (Train(momentum=0.9), "'adam' has no momentum"),
    ],
)
def test_a_mistake_in_the_settings_is_reported(settings, says):
    with pytest.raises(InputError, match=says):
        make_optimizer(settings, fresh())


def rates(settings, steps_per_epoch, losses=None):
    """The learning rate of every step; ``losses`` are the watched ones, an epoch each."""
    model = fresh()
    optimizer = make_optimizer(settings, model)
    schedule = make_schedule(settings, optimizer, steps_per_epoch)
    found = []
    for epoch in range(settings.epochs):
        for _ in range(steps_per_epoch):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        schedule.epoch(losses[epoch] if losses else 1.0)
    return found


def test_constant():
    assert rates(Train(lr=0.3, epochs=2), 3) == [0.3] * 6


def test_warm_up_rises_in_a_line():
    expected = [0.5 * min(1, (step + 1) / 5) for step in range(9)]
    assert rates(Train(lr=0.5, epochs=3, warmup=4 / 3), 3) == pytest.approx(expected)


@pytest.mark.parametrize("warmup", [0, 1, 2])
def test_cosine_falls_from_the_end_of_the_warm_up_to_nothing(warmup):
    steps, warm = 4 * 5, warmup * 5
    expected = [
        (step + 1) / (warm + 1) if step < warm else 0.5 * (1 + math.cos(math.pi * (step - warm) / (steps - warm)))
        for step in range(steps)
    ]
    found = rates(Train(lr=1.0, epochs=4, schedule="cosine", warmup=warmup), 5)
    assert found == pytest.approx(expected, abs=1e-9)


def test_a_warm_up_longer_than_the_training_only_rises():
    found = rates(Train(lr=1.0, epochs=1, schedule="cosine", warmup=3), 4)
    assert found == pytest.approx([(step + 1) / 13 for step in range(4)])


def test_plateau_waits_then_lowers():
    settings = Train(lr=1.0, epochs=8, schedule="plateau", plateau_factor=0.5, plateau_patience=1)
    falling_then_flat = [3.0, 2.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]
    assert rates(settings, 1, falling_then_flat) == [1, 1, 1, 1, 1, 0.5, 0.5, 0.25]


@pytest.mark.parametrize("schedule", ["constant", "cosine", "plateau"])
def test_a_schedule_goes_on_where_its_state_was_taken(schedule):
    settings = Train(lr=1.0, epochs=3, schedule=schedule, warmup=0.5, plateau_patience=0)

    def begin():
        optimizer = make_optimizer(settings, fresh())
        return optimizer, make_schedule(settings, optimizer, 4)

    def walk(optimizer, schedule, steps):
        found = []
        for step in range(steps):
            optimizer.step()
            schedule.step()
            if step % 4 == 3:
                schedule.epoch(1.0)
            found.append(optimizer.param_groups[0]["lr"])
        return found

    whole = walk(*begin(), 12)
    optimizer, first = begin()
    walk(optimizer, first, 8)
    again, second = begin()
    again.load_state_dict(optimizer.state_dict())
    second.load_state_dict(first.state_dict())
    assert walk(again, second, 4) == whole[8:]
