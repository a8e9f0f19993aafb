"""The widths that losses are handed: those of the model's outputs, found without a trace."""

import pytest
import torch

from ercfw import Loss
from ercfw.contract.data_info import DataInfo, ModalitySpec, TargetSpec
from ercfw.contract.widths import TeacherWidths, Widths
from ercfw.errors import InputError
from ercfw.experiment.plan import Selection, plan_jobs
from ercfw.model.build import build_model
from ercfw.model.losses import asked_of_teachers, build_losses, takes_widths
from ercfw.recipe.overrides import parse_overrides
from ercfw.recipe.recipe_file import read_toml
from ercfw.training.find_widths import find_widths

INFO = DataInfo(
    {"emotion": TargetSpec(("a", "b", "c"), (3, 1, 1))},
    {name: ModalitySpec("vector", 4, 1, (0.0,) * 4, (1.0,) * 4) for name in ("text", "audio")},
    2,
)
ALL = (
    "encoder.audio.use=linear", "encoder.audio.width=5", "fusion.use=vib", "fusion.width=6", "head.emotion.use=mlp",
    "head.emotion.hidden=7", "context.joint.use=mixup", "loss.view-cross-entropy={}",
)  # fmt: skip
TEACHERS = {"runs/one": TeacherWidths({"emotion": 3}, {"emotion": 9})}


@pytest.fixture
def job(tiny_recipe):
    def plan(*words):
        (job,) = plan_jobs(read_toml(tiny_recipe()), Selection(overrides=parse_overrides(words)))
        return job

    return plan


def test_they_are_those_of_the_outputs(job):
    parts = job(*ALL).parts
    model = build_model(parts.network, INFO).train()
    before = torch.get_rng_state()
    found = find_widths(model, parts.losses, INFO, TEACHERS)
    extras = {"fusion.kl": (), "context.joint.share": (), "context.joint.partner": ()}
    assert found == {"emotion": Widths(7, {"text": 8, "audio": 5}, extras, TEACHERS)}
    assert torch.equal(torch.get_rng_state(), before)
    assert model.training


def test_nothing_is_run_if_no_loss_takes_them(job):
    parts = job().parts

    def fail(inputs):
        raise AssertionError

    model = build_model(parts.network, INFO)
    model.forward = fail
    assert find_widths(model, parts.losses, INFO) == {}


class OfToday(Loss):
    def __init__(self, target, info):
        super().__init__(target, info)


class WithoutConstructor(Loss):
    pass


class OtherNames(Loss):
    def __init__(self, what, data):
        super().__init__(what, data)


class Wide(Loss):
    requires = ("teacher.views", "views")

    def __init__(self, widths, target):
        super().__init__(target, None)


class Wider(Wide):
    pass


@pytest.mark.parametrize(
    ("kind", "takes"), [(OfToday, False), (WithoutConstructor, False), (OtherNames, False), (Wide, True), (Wider, True)]
)
def test_which_losses_take_them(kind, takes):
    assert takes_widths(kind) is takes


def test_a_loss_of_today_is_made_as_ever(job, plugin_file):
    plugin_file("""\
from ercfw import Loss, hookimpl

class Mine(Loss):
    def __init__(self, what, data):
        super().__init__(what, data)
        assert data.targets[what].classes == ("a", "b", "c")

    def forward(self, outputs, targets):
        return outputs.heads["emotion"].logits.sum()

@hookimpl
def provide_losses():
    return {"mine": Mine}
""")
    made = job("plugins=['./mine.py']", "loss.mine={}")
    losses = build_losses(made.recipe, made.parts.losses, INFO)
    assert losses.losses["mine"].target == "emotion"
    assert asked_of_teachers(made.parts.losses.values()) == ()


def test_a_target_without_a_head_is_named(job):
    made = job("loss.view-cross-entropy={}")
    with pytest.raises(InputError, match=r"target: the model returns no head for 'emotion'"):
        build_losses(made.recipe, made.parts.losses, INFO, {"mood": Widths(3)})


@pytest.mark.slow
def test_own_weights_are_trained_kept_and_not_needed_to_predict(cli, tiny_recipe, tmp_path):
    from ercfw.results.model_file import load_model

    recipe = tiny_recipe()
    words = ("loss.view-cross-entropy={}", "train.epochs=2", "loss.r-drop={}")
    assert cli("run", recipe, *words).code == 0
    folder = tmp_path / "runs/tiny/base/seed-0"
    weights, *_ = load_model(folder / "model.safetensors")
    assert not [name for name in weights if "classify" in name]
    assert cli("reproduce", folder).code == 0
