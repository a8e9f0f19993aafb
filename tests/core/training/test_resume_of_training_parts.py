"""A training that is resumed after any step ends in the same bits, with every shipped part that takes part in it."""

import shutil

import pytest
import torch

from ercfw.errors import InputError, RunError
from ercfw.registry.catalog import load_catalog
from ercfw.training.checkpoint import load_state, save_state
from ercfw.training.loop import fit
from ercfw.training.resume import resume, save
from ercfw.training.state import Listeners
from ercfw_basics import provide_callbacks, provide_samplers

OPTIONS = {
    "steplr": "step_size = 1", "multisteplr": "milestones = [1]", "exponentiallr": "gamma = 0.5",
    "cosineannealingwarmrestarts": "T_0 = 2", "onecyclelr": "max_lr = 0.1",
    "cycliclr": "base_lr = 0.01, max_lr = 0.1, step_size_up = 2", "reducelronplateau": "patience = 0, threshold = 0.9",
    "freeze": 'parts = ["encoder.text"], until = 1', "fgm": 'streams = ["text"]', "ema": "decay = 0.8",
    "swa": "from_epoch = 1", "curriculum": 'by = "loss", buckets = 2', "early-stopping": "patience = 2",
}  # fmt: skip


def table(name):
    more = f", {OPTIONS[name]}" if name in OPTIONS else ""
    return f'{{ use = "{name}"{more} }}'


CATALOG = load_catalog()
PARTS = {
    **{name: f"callback.mine={table(name)}" for name in provide_callbacks()},
    **{name: f"train.sampler={table(name)}" for name in provide_samplers()},
    **{name: f"train.schedule={table(name)}" for name in CATALOG.names("schedule")},
    **{name: f"train.optimizer={table(name)}" for name in CATALOG.names("optimizer") if name != "muon"},
}
QUICK = {*provide_callbacks(), *provide_samplers(), "multisteplr", "onecyclelr", "reducelronplateau", "nadam", "rprop"}
"""Those that are tried each time; the others are slow only because there are many."""
WORDS = ("train.epochs=3", "encoder.default.dropout=0.3", "data.batch_size=3")


@pytest.mark.parametrize("name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in PARTS])
def test_after_every_step(name, training, tmp_path):
    states = []

    def keep():
        states.append(tmp_path / f"state-{len(states)}")
        save(begun, states[-1])

    def result(training):
        line = [{key: value for key, value in each.items() if key != "seconds"} for each in training.history]
        return line, training.best_epoch, training.model.state_dict(), training.best

    begun, plan = training(*WORDS, PARTS[name], metrics=lambda true, p, _: float(p.max(-1).mean()))
    fit(begun, plan, Listeners(step=keep))
    whole = result(begun)
    for path in (states[len(states) // 3], states[-2]):
        again, plan = training(*WORDS, PARTS[name], metrics=lambda true, p, _: float(p.max(-1).mean()))
        shutil.copy(path, plan.state)
        resume(again, plan.state, Listeners())
        fit(again, plan, Listeners())
        found = result(again)
        assert found[:2] == whole[:2]
        for one, other in zip(found[2:], whole[2:], strict=True):
            assert all(torch.equal(one[key], other[key]) for key in other)


def test_a_checkpoint_from_before_these_parts_still_resumes(training):
    """It lacks their keys, as that of a recipe without them does."""
    begun, plan = training("train.epochs=2")
    fit(begun, plan, Listeners())
    saved = load_state(plan.state)
    assert not {"order", "sampler", "callbacks", "ended"} & saved.keys()
    again, plan = training("train.epochs=3")
    resume(again, plan.state, Listeners())
    fit(again, plan, Listeners())
    assert len(again.history) == 3


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"callbacks": {}}, "the callbacks are different"),
        ({"callbacks": {"ema": {"average": {}}}}, "the average is of another model"),
        ({"ended": 3}, "ended: should be true or false"),
    ],
)
def test_a_state_that_does_not_fit_is_one_message(training, change, says):
    begun, plan = training("train.epochs=1", "callback.ema={}")
    fit(begun, plan, Listeners())
    save_state(plan.state, {**load_state(plan.state), **change})
    again, plan = training("train.epochs=1", "callback.ema={}")
    with pytest.raises(InputError, match=f"does not fit this recipe: {says}"):
        resume(again, plan.state, Listeners())


def test_a_damaged_order_is_one_message(training):
    """As the file says, under a hash that fits."""
    words = ("train.epochs=2", "train.sampler.use=balanced")
    begun, plan = training(*words)
    states = []
    fit(begun, plan, Listeners(step=lambda: states.append(save(begun, plan.state.with_name(f"{len(states)}")))))
    save_state(plan.state, {**load_state(plan.state.with_name("3")), "order": [99] * 12})
    again, plan = training(*words)
    resume(again, plan.state, Listeners())
    with pytest.raises(InputError, match=r"\[train.sampler\]: epoch 2 has conversation 99"):
        fit(again, plan, Listeners())


def test_a_state_that_a_checkpoint_cannot_hold_is_named(training):
    begun, plan = training("train.epochs=1", "callback.ema={}")
    begun.callbacks["ema"].state_dict = lambda: {"fn": print}
    with pytest.raises(RunError, match="the checkpoint cannot hold callbacks/ema/fn: builtin_function_or_method"):
        fit(begun, plan, Listeners())
