"""Weights and states: flipped, cut, or whole and wrong under a hash that fits; what was found stands first."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from ercfw.contract.data_info import DataInfo, ModalitySpec, TargetSpec
from ercfw.data.load import load_data, make_dataset
from ercfw.data.train_statistics import make_data_info
from ercfw.errors import ErcfwError
from ercfw.experiment.plan import Selection, plan_jobs
from ercfw.experiment.run_all import make_accelerator
from ercfw.model.build import build_model
from ercfw.model.losses import build_losses
from ercfw.recipe.recipe_file import read_toml
from ercfw.results.model_file import load_model, save_model, start_from
from ercfw.system.tensor_file import content_hash
from ercfw.training.checkpoint import load_state, save_state
from ercfw.training.loop import fit
from ercfw.training.resume import resume, save
from ercfw.training.start import start
from ercfw.training.state import Listeners, Plan, Training, Watched

TARGETS = {"emotion": TargetSpec(("a", "é"), (3, 4))}
INFO = DataInfo(TARGETS, {"text": ModalitySpec("vector", 2, 1, (0.1, 0.2), (1.0, 2.0))}, 2)
PATH = Path("fuzzed.safetensors")
LOADERS = st.sampled_from([load_model, load_state])


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 2))


def same(a: Any, b: Any) -> bool:
    """Whether nested values are equal, tensors too."""
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return isinstance(b, type(a)) and len(a) == len(b) and all(map(same, a, b))
    return a == b


@pytest.fixture
def whole():
    """A model's file and a state's, as bytes."""
    optimizer = torch.optim.Adam(network().parameters())
    save_model(PATH, network().state_dict(), INFO, {"stamps": ["SIMULATED"], "trained_on": ["0123456789abcdef"]})
    model = PATH.read_bytes()
    save_state(PATH, {"model": network().state_dict(), "optimizer": optimizer.state_dict(), "history": [{"loss": 0.1}]})
    return {load_model: model, load_state: PATH.read_bytes()}


def opened(content: bytes) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """What a file says, without its hash, and its tensors."""
    PATH.write_bytes(content)
    with safe_open(PATH, framework="pt") as file:
        about = json.loads(file.metadata()["ercfw"])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    del about["sha256"]
    return about, tensors


def rewrite(about: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
    """The same under a hash that fits, whatever it says."""
    save_file(tensors, PATH, metadata={"ercfw": json.dumps({**about, "sha256": content_hash(about, tensors)})})


@pytest.mark.parametrize("load", [load_model, load_state])
def test_a_flip_of_every_byte_is_found(load, whole, bearable):
    """Or has changed nothing, as a capital letter for a small one in what JSON writes of an accent."""
    content = whole[load]
    PATH.write_bytes(content)
    before, missed = load(PATH), []
    for place in range(len(content)):
        PATH.write_bytes(content[:place] + bytes([content[place] ^ 1 << place % 8]) + content[place + 1 :])
        if bearable(lambda: missed.append(load(PATH)), names=PATH) is None:
            assert same(missed[-1], before)
    assert len(missed) < 3


FOUND = {
    "no targets": (load_model, ("info", "targets"), 1),
    "classes of a wrong type": (load_model, ("info", "targets", "emotion", "classes"), "ab"),
    "a width of a wrong type": (load_model, ("info", "modalities", "text", "dim"), "2"),
    "stamps of a wrong type": (load_model, ("stamps",), 3),
    "what it was trained on": (load_model, ("trained_on",), [["a"]]),
    "no skeleton": (load_state, ("state",), 1),
    "a tensor without a name": (load_state, ("state", "dict", 0, 1, "dict", 0, 1, "tensor"), []),
    "a tensor that is not there": (load_state, ("state", "dict", 0, 1, "dict", 0, 1, "tensor"), "more"),
    "a list that is none": (load_state, ("state", "dict", 2, 1, "list"), 1),
    "a key that cannot be one": (load_state, ("state", "dict", 0, 0), {}),
}


@pytest.mark.parametrize("name", FOUND)
def test_found_under_a_hash_that_fits(name, whole, bearable):
    load, (*parents, key), value = FOUND[name]
    about, tensors = opened(whole[load])
    table: Any = about
    for parent in parents:
        table = table[parent]
    table[key] = value
    rewrite(about, tensors)
    reported = bearable(lambda: load(PATH), names=PATH)
    assert "is not" in str(reported)


@pytest.mark.cases(200)
@given(data=st.data(), load=LOADERS)
def test_bytes(data, load, whole, bearable, damaged, planted):
    content = whole[load]
    PATH.write_bytes(content)
    before, place = load(PATH), st.integers(0, len(content) - 1)
    flips = st.tuples(place, st.integers(1, 255)).map(
        lambda flip: content[: flip[0]] + bytes([content[flip[0]] ^ flip[1]]) + content[flip[0] + 1 :]
    )
    cuts = place.map(lambda cut: content[:cut])
    PATH.write_bytes(data.draw(flips | cuts | damaged(content, [b"", planted]) | st.just(planted)))
    read = []
    assert bearable(lambda: read.append(load(PATH)), names=PATH) is not None or same(read[0], before)


@pytest.mark.cases(100)
@given(data=st.data(), load=LOADERS)
def test_what_a_file_says(data, load, whole, bearable, changed, anything):
    """Wrong types, missing tensors, deep nesting, under a hash that fits."""
    about, tensors = opened(whole[load])
    about = data.draw(changed(about, anything, st.text(max_size=3)))
    gone = data.draw(st.sets(st.sampled_from(sorted(tensors)), max_size=2))
    rewrite(about, {name: x for name, x in tensors.items() if name not in gone})
    bearable(lambda: load(PATH), names=PATH)
    PATH.rename("model.safetensors")
    bearable(lambda: start_from(network(), Path()))


@pytest.fixture
def begin(tiny_recipe):
    """Makes trainings that stand at their beginning, all the same; and their plan."""
    path = tiny_recipe('schedule = "plateau"\nwarmup = 0.5\nsave_seconds = 1000')
    (job,) = plan_jobs(read_toml(path), Selection(overrides={"train": {"epochs": 2}, "data": {"conversations": 4}}))
    data = load_data(job.recipe, job.parts.extractors, make_dataset(job.parts.dataset), lambda *_: None)
    info = make_data_info(data.splits["train"], data.targets)
    watched, state = Watched(data.splits["train"], data.splits["dev"], data.splits["dev"]), Path("state.safetensors")
    plan = Plan(
        job.recipe.train, watched, 2, "emotion.mine", {"mine": lambda *_: 0.5}, info, 0, state, job.parts.training
    )
    accelerator = make_accelerator([job.recipe])

    def training() -> Training:
        model = build_model(job.parts.network, info)
        return start(accelerator, model, build_losses(job.recipe, job.parts.losses, info), plan)

    return training, plan


@pytest.fixture
def states(begin):
    """The state of a training that is done, and of one in the middle of an epoch."""
    training, plan = begin[0](), begin[1]
    fit(training, plan, Listeners(step=lambda: save(training, PATH)))
    return load_state(plan.state), load_state(PATH)


FOUND_STATES = {
    "parts without end": ("parts", 10**18),
    "best weights of another model": ("best", {"x": torch.zeros(1)}),
    "an epoch that never was the best": ("best_epoch", 7),
    "no history": ("history", []),
    "a history of words": ("history", ["a", "b"]),
    "no learning rate": ("optimizer", {"state": {}, "param_groups": [{"params": [0]}]}),
    "an optimiser that is none": ("optimizer", {"state": [], "param_groups": 3}),
    "an epoch of other losses": ("underway", {"epoch": 3, "lr": 0.1, "steps": 1, "seconds": 0.1, "totals": {}}),
}


@pytest.mark.parametrize("name", FOUND_STATES)
def test_found_a_state_that_does_not_fit(name, begin, states, bearable):
    key, value = FOUND_STATES[name]
    save_state(PATH, {**states[0], key: value})
    reported = bearable(lambda: resume(begin[0](), PATH, Listeners()), names=PATH)
    assert "does not fit this recipe: " in str(reported)
    assert "--force starts anew" in str(reported)


TENSORS = st.sampled_from(
    [torch.zeros(()), torch.zeros(8), torch.zeros(8, 8), torch.ones(3).long(), torch.tensor(1e39)]
)


@pytest.mark.slow
@pytest.mark.cases(60)
@given(data=st.data(), which=st.sampled_from([0, 1]))
def test_states(data, which, begin, states, bearable, changed, anything):
    """Training goes on from it, or it is reported."""
    save_state(PATH, data.draw(changed(states[which], anything | TENSORS, st.text(max_size=3))))

    def go_on() -> None:
        training, plan = begin[0](), begin[1]
        resume(training, PATH, Listeners())
        fit(training, plan, Listeners())
        training.model.load_state_dict(training.best)
        training.losses.load_state_dict(training.best_losses)

    bearable(go_on, kind=ErcfwError)
