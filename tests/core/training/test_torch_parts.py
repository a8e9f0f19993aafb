"""Optimisers and schedules of torch by name, with typed options; layer-wise rates; schedules after a warm-up."""

import math

import pytest
import torch
from torch import nn
from torch.optim import lr_scheduler

from ercfw.errors import InputError
from ercfw.recipe.part_table import Part
from ercfw.recipe.queries import training_parts_of
from ercfw.recipe.train_tables import ParameterGroup, SchedulePart, Train
from ercfw.registry.catalog import load_catalog
from ercfw.registry.resolve import resolve_part
from ercfw.training.optimizer import check_optimizer, make_optimizer
from ercfw.training.schedule import make_schedule
from ercfw.training.state import Listeners

CATALOG = load_catalog()


def parts(settings):
    return {table: resolve_part(CATALOG, kind, table, part) for kind, table, part in training_parts_of(settings)}


def optimizer_of(settings, model):
    return make_optimizer(settings, parts(settings)["train.optimizer"], model)


def schedule_of(settings, optimizer, steps):
    return make_schedule(settings, parts(settings).get("train.schedule"), optimizer, steps)


def fresh():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 1)).double()


def descend(model, optimizer, steps=5):
    torch.manual_seed(1)
    for _ in range(steps):
        optimizer.zero_grad()
        model(torch.randn(8, 3, dtype=torch.float64)).square().mean().backward()
        optimizer.step()
    return torch.cat([p.detach().flatten() for p in model.parameters()])


OPTIONS = {
    "adam": {"betas": (0.8, 0.9), "amsgrad": True},
    "adamw": {"betas": (0.5, 0.7)},
    "sgd": {"nesterov": False, "dampening": 0.1},
    "rmsprop": {"alpha": 0.5, "centered": True},
    "nadam": {"momentum_decay": 0.1},
    "radam": {"betas": (0.7, 0.8)},
    "adagrad": {"lr_decay": 0.1},
    "adadelta": {"rho": 0.5},
    "adamax": {"eps": 1e-3},
    "asgd": {"t0": 2.0},
    "adafactor": {"beta2_decay": -0.3},
}


@pytest.mark.parametrize("name", OPTIONS)
def test_every_optimiser_steps_in_float64_as_torchs_own_with_its_options(name):
    theirs = {cls.lower(): getattr(torch.optim, cls) for cls in dir(torch.optim)}[name]
    written = {key: list(value) if isinstance(value, tuple) else value for key, value in OPTIONS[name].items()}
    settings = Train(lr=0.05, weight_decay=0.01, optimizer=Part(use=name, **written))
    ours, other = fresh(), fresh()
    moved = descend(ours, optimizer_of(settings, ours))
    wanted = descend(other, theirs(other.parameters(), lr=0.05, weight_decay=0.01, **OPTIONS[name]))
    torch.testing.assert_close(moved, wanted, rtol=1e-9, atol=1e-12)
    default = fresh()
    assert not torch.allclose(moved, descend(default, optimizer_of(Train(lr=0.05, optimizer=name), default)))


def test_all_optimisers_of_torch_are_there_but_two():
    found = {n for n, v in vars(torch.optim).items() if isinstance(v, type) and issubclass(v, torch.optim.Optimizer)}
    assert set(CATALOG.names("optimizer")) >= {name.lower() for name in found - {"Optimizer", "LBFGS", "SparseAdam"}}
    assert "lbfgs" not in CATALOG.names("optimizer")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"optimizer": Part(use="adamw", beta=[0.9, 0.98])}, "[train.optimizer] beta: there is no such key"),
        ({"optimizer": Part(use="adamw", betas=[0.9, "x"])}, "[train.optimizer] betas.1: should be a valid number"),
        (
            {"optimizer": Part(use="adamw", betas=[0.9, 1.5])},
            "[train.optimizer]: optimizer 'adamw' refuses its settings",
        ),
        ({"optimizer": Part(use="adamw", lr=0.1)}, "[train.optimizer] lr: is a key of [train] (move it there"),
        ({"optimizer": Part(use="sgd", momentum=0.1)}, "[train.optimizer] momentum: is a key of [train]"),
        ({"optimizer": Part(use="sgd", fused=True)}, "[train.optimizer] fused: does not change the result"),
        ({"optimizer": "adan"}, "[train] optimizer: there is no optimizer named 'adan' (did you mean 'adam'?"),
        ({"optimizer": Part(use="adan")}, "[train.optimizer] use: there is no optimizer named 'adan'"),
        ({"optimizer": "rprop", "weight_decay": 0.1}, "[train] weight_decay: 'rprop' has no weight decay"),
        ({"optimizer": "muon"}, "[train.optimizer]: optimizer 'muon' refuses its settings: Muon only supports 2D"),
        ({"schedule": "coseni"}, "[train] schedule: there is no schedule named 'coseni' (did you mean 'cosine'?"),
        (
            {"schedule": SchedulePart(use="cosine")},
            "[train.schedule] use: 'cosine' has no table (write [train] schedule",
        ),
        ({"schedule": "steplr"}, "[train.schedule] step_size: is missing"),
        ({"schedule": SchedulePart(use="steplr", step_size=2, gama=3)}, "[train.schedule] gama: there is no such key"),
        (
            {"schedule": SchedulePart(use="reducelronplateau", each="step")},
            "[train.schedule] each: 'reducelronplateau' needs the loss of the watched split",
        ),
        (
            {"schedule": SchedulePart(use="onecyclelr", max_lr=1.0, pct_start=2.0)},
            "[train.schedule]: schedule 'onecyclelr'",
        ),
        (
            {"schedule": SchedulePart(use="cycliclr", base_lr=0.1, max_lr=1.0), "optimizer": "adagrad"},  # no momentum
            "[train.schedule]: schedule 'cycliclr' refuses its settings",
        ),
    ],
)
def test_a_mistake_is_one_message_in_its_place(settings, says):
    train = Train(**settings)

    def check():
        found = parts(train)
        made = check_optimizer(train, found["train.optimizer"], fresh())
        make_schedule(train, found.get("train.schedule"), made, (3, 3))

    with pytest.raises(InputError) as raised:
        check()
    (mistake,) = raised.value.mistakes
    assert str(mistake).startswith(says)


class Layered(nn.Module):
    def __init__(self, depth):
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(2, 2) for _ in range(depth))
        self.pooler = nn.Linear(2, 2)

    def parameter_groups(self):
        return {"words": list(self.parameters())}

    def parameter_layers(self):
        return {"words": [list(layer.parameters()) for layer in self.layers]}


def test_layer_decay_lowers_the_rate_from_the_top_by_hand():
    """Two encoders of different depths share the group; both count from their highest layer."""
    deep, flat, rest = Layered(3), Layered(2), nn.Linear(2, 2)
    deep.layers[0].requires_grad_(False)
    settings = Train(lr=1e-2, groups={"words": ParameterGroup(lr=1e-4, weight_decay=0.3, layer_decay=0.5)})
    optimizer = optimizer_of(settings, nn.ModuleList([deep, flat, rest]))
    found = {id(p): (group["lr"], group["weight_decay"]) for group in optimizer.param_groups for p in group["params"]}
    wanted = {
        rest: (1e-2, 0.0), deep.pooler: (1e-4, 0.3), flat.pooler: (1e-4, 0.3), deep.layers[2]: (1e-4, 0.3),
        deep.layers[1]: (5e-5, 0.3), flat.layers[1]: (1e-4, 0.3), flat.layers[0]: (5e-5, 0.3),
    }  # fmt: skip
    assert found == {id(p): rate for module, rate in wanted.items() for p in module.parameters()}
    assert optimizer.param_groups[-1]["lr"] == 1e-2, "the history shows the rate of the rest"


def test_layer_decay_needs_layers():
    class Grouped(nn.Linear):
        def parameter_groups(self):
            return {"words": list(self.parameters())}

    settings = Train(groups={"words": ParameterGroup(layer_decay=0.9)})
    with pytest.raises(
        InputError, match=r"\[train.groups.words\] layer_decay: the parameters of this group have no layers"
    ):
        optimizer_of(settings, Grouped(2, 2))


def rates(settings, steps, losses=None):
    optimizer = optimizer_of(settings, fresh())
    schedule = schedule_of(settings, optimizer, steps)
    found = []
    for epoch, count in enumerate(steps):
        for _ in range(count):
            found.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            schedule.step()
        schedule.epoch(losses[epoch] if losses else 1.0)
    return found


def torchs(make, count, lr=0.5, *loss):
    """The rates of torch's own scheduler, stepped ``count`` times."""
    optimizer = torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=lr, momentum=0.9)
    scheduler = make(optimizer)
    found = []
    for _ in range(count):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        scheduler.step(*loss)
    return found


SCHEDULES = {
    "steplr": ({"step_size": 2, "gamma": 0.5}, lambda o: lr_scheduler.StepLR(o, 2, 0.5)),
    "multisteplr": ({"milestones": [1, 3]}, lambda o: lr_scheduler.MultiStepLR(o, [1, 3])),
    "exponentiallr": ({"gamma": 0.7}, lambda o: lr_scheduler.ExponentialLR(o, 0.7)),
    "linearlr": ({"total_iters": 3}, lambda o: lr_scheduler.LinearLR(o, total_iters=3)),
    "polynomiallr": ({"total_iters": 4, "power": 2.0}, lambda o: lr_scheduler.PolynomialLR(o, 4, 2.0)),
    "cosineannealingwarmrestarts": ({"T_0": 2}, lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 2)),
    "reducelronplateau": (
        {"patience": 0, "factor": 0.5},
        lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=0, factor=0.5),
    ),
}


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_is_torchs_own_stepped_after_each_epoch(name):
    options, theirs = SCHEDULES[name]
    found = rates(Train(lr=0.5, epochs=6, schedule=SchedulePart(use=name, **options)), (3,) * 6)
    loss = [1.0] if name == "reducelronplateau" else []
    assert found == [rate for rate in torchs(theirs, 6, 0.5, *loss) for _ in range(3)]
    assert len(set(found)) > 1


def test_after_each_step_if_the_recipe_or_the_schedule_says_so():
    said = rates(Train(lr=0.5, epochs=2, schedule=SchedulePart(use="steplr", step_size=2, each="step")), (3, 3))
    assert said == torchs(lambda o: lr_scheduler.StepLR(o, 2), 6)
    own = rates(
        Train(optimizer="sgd", momentum=0.9, epochs=2, schedule=SchedulePart(use="onecyclelr", max_lr=1.0)), (3, 4)
    )
    assert own == torchs(lambda o: lr_scheduler.OneCycleLR(o, 1.0, total_steps=7), 7)


@pytest.mark.parametrize(("each", "count"), [("step", 7), ("epoch", 2)])
def test_the_number_of_steps_is_computed_if_it_is_left_out(each, count):
    found = rates(Train(lr=0.5, epochs=2, schedule=SchedulePart(use="cosineannealinglr", each=each)), (3, 4))
    wanted = torchs(lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=count), count)
    assert found == (wanted if each == "step" else [wanted[0]] * 3 + [wanted[1]] * 4)


def test_a_schedule_begins_where_the_warm_up_ends():
    """A warm-up of 4 steps of 3 and 4 per epoch; the schedule then has the steps that are left."""
    settings = Train(lr=1.0, epochs=2, warmup=4 / 3.5, schedule=SchedulePart(use="cosineannealinglr", each="step"))
    found = rates(settings, (3, 4))
    rising = [(step + 1) / 5 for step in range(4)]
    falling = [0.5 * (1 + math.cos(math.pi * step / 3)) for step in range(3)]
    assert found == pytest.approx(rising + falling)


def test_an_epoch_that_ends_within_the_warm_up_does_not_advance_the_schedule():
    settings = Train(lr=1.0, epochs=4, warmup=1.5, schedule=SchedulePart(use="exponentiallr", gamma=0.5))
    found = rates(settings, (2,) * 4)
    assert found == pytest.approx([0.25, 0.5, 0.75, 1.0, 0.5, 0.5, 0.25, 0.25])


def test_a_schedule_that_reads_a_loss_gets_that_of_the_watched_split(training):
    from ercfw.training.loop import fit

    table = 'train.schedule={ use = "reducelronplateau", patience = 0, factor = 0.5, threshold = 0.9 }'
    begun, plan = training("train.epochs=3", "train.lr=0.5", table)
    lines = []
    fit(begun, plan, Listeners(epoch=lines.append))
    assert [line["lr"] for line in lines] == [0.5, 0.5, 0.25]


@pytest.mark.parametrize("warmup", [0.0, 1.5])
@pytest.mark.parametrize("name", [*SCHEDULES, "onecyclelr", "cycliclr", "cosineannealinglr"])
def test_a_schedule_goes_on_where_its_state_was_taken(name, warmup, tmp_path):
    """Through a checkpoint's file, which knows dicts, lists, tensors and plain values only."""
    from ercfw.training.checkpoint import load_state, save_state

    options = {"onecyclelr": {"max_lr": 1.0}, "cycliclr": {"base_lr": 0.1, "max_lr": 1.0, "step_size_up": 3}}
    options |= {"cosineannealinglr": {}, **{key: value for key, (value, _) in SCHEDULES.items()}}
    settings = Train(lr=0.5, epochs=4, warmup=warmup, schedule=SchedulePart(use=name, **options[name]))

    def begin():
        optimizer = optimizer_of(settings, fresh())
        return optimizer, schedule_of(settings, optimizer, (3,) * 4)

    def walk(optimizer, schedule, steps):
        found = []
        for step in steps:
            found.append((optimizer.param_groups[0]["lr"], optimizer.param_groups[0]["betas"][0]))
            optimizer.step()
            schedule.step()
            if step % 3 == 2:
                schedule.epoch(1.0)
        return found

    whole = walk(*begin(), range(12))
    optimizer, first = begin()
    walk(optimizer, first, range(7))
    save_state(tmp_path / "state", {"optimizer": optimizer.state_dict(), "schedule": first.state_dict()})
    saved = load_state(tmp_path / "state")
    again, second = begin()
    again.load_state_dict(saved["optimizer"])
    second.load_state_dict(saved["schedule"])
    assert walk(again, second, range(7, 12)) == whole[7:]
