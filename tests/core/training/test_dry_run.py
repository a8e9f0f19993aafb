"""The rehearsal finds parts that do not fit, and losses that teach nothing, before any data is read."""

from dataclasses import replace

import pytest
import torch

from ercfw.contract.data_info import DataInfo, ModalitySpec, TargetSpec
from ercfw.errors import InputError, RunError
from ercfw.experiment.plan import Selection, plan_jobs
from ercfw.model.build import build_model
from ercfw.model.losses import build_losses
from ercfw.recipe.overrides import parse_overrides
from ercfw.recipe.recipe_file import read_toml
from ercfw.training.dry_run import dry_run

INFO = DataInfo(
    {"emotion": TargetSpec(("a", "b", "c"), (3, 1, 1))},
    {name: ModalitySpec("vector", 4, 1, (0.0,) * 4, (1.0,) * 4) for name in ("text", "audio")},
    2,
)
PLUGIN = """\
import torch
from ercfw import FusionBlock, Loss, hookimpl

class MyFusion(FusionBlock):
    def __init__(self, dims, info) -> None:
        super().__init__(dims, info)
        self.out_dim = sum(dims.values())

    def forward(self, xs, inputs):
        x = torch.cat(list(xs.values()), -1)
        return {fused}

class MyLoss(Loss):
    requires = {requires}

    def __init__(self, target, info) -> None:
        super().__init__(target, info)
        self.seen = []

    def remember(self, x):
        self.seen.append(x)
        return x

    def forward(self, outputs, targets):
        return {loss}

@hookimpl
def provide_fusions():
    return {{"mine": MyFusion}}

@hookimpl
def provide_losses():
    return {{"mine": MyLoss}}
"""


@pytest.fixture
def parts() -> list:
    """The model and losses of each rehearsal."""
    return []


@pytest.fixture
def rehearsed(tiny_recipe, plugin_file, parts):
    """Rehearses the tiny recipe with this fusion's and this loss' last line."""

    def go(
        *words: str,
        fused: str = "x",
        loss: str = "outputs.heads['emotion'].logits.sum()",
        requires: str = "()",
        info: DataInfo = INFO,
    ):
        plugin_file(PLUGIN.format(fused=fused, loss=loss, requires=requires))
        settings = parse_overrides(["plugins=['./mine.py']", "fusion.use=mine", "loss.mine={}", *words])
        (job,) = plan_jobs(read_toml(tiny_recipe()), Selection(overrides=settings))
        model = build_model(job.parts.network, info)
        parts.append((model, build_losses(job.recipe, job.parts.losses, info)))
        return dry_run(*parts[-1], info)

    return go


def test_what_fits_is_quiet_and_leaves_the_generator_alone(rehearsed, parts):
    assert rehearsed() == []
    ((model, losses),) = parts
    model.train()
    before = torch.get_rng_state()
    assert dry_run(model, losses, INFO) == []
    assert torch.equal(torch.get_rng_state(), before)
    assert model.training


@pytest.mark.parametrize(
    ("fused", "message"),
    [
        ("x[:, :3]", "[fusion]: returns shape [6, 3] ([N, out_dim] = [6, 16])"),
        ("x[:1]", "[fusion]: returns shape [1, 16]"),
        ("None", "[fusion]: returns NoneType"),
        ("list(xs)", "[fusion]: returns list"),
    ],
)
def test_a_part_that_gives_another_shape_is_the_one_that_is_named(fused, message, rehearsed):
    with pytest.raises(InputError) as raised:
        rehearsed(fused=fused)
    assert message in str(raised.value)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        ("outputs.heads['emotion'].logits", "[loss.mine]: returns shape [6, 3]"),
        ("0.5", "[loss.mine]: returns float"),
        ("None", "[loss.mine]: returns NoneType"),
    ],
)
def test_a_loss_that_is_no_scalar(loss, message, rehearsed):
    with pytest.raises(InputError) as raised:
        rehearsed(loss=loss)
    assert message in str(raised.value)


def test_code_that_raises_is_reported_with_its_line(rehearsed):
    with pytest.raises(RunError, match=r"the model fails .*ZeroDivisionError: division by zero \(mine.py, line 11\)"):
        rehearsed(fused="1 / 0")
    with pytest.raises(
        RunError, match=r"\[loss.mine\] fails .*ZeroDivisionError: division by zero \(mine.py, line 25\)"
    ):
        rehearsed(loss="1 / 0")


def test_a_loss_that_needs_what_is_not_given(rehearsed):
    assert rehearsed(requires='("views", "embedding")') == []
    with pytest.raises(InputError, match=r"\[loss.mine\]: needs 'memory', which this model does not return"):
        rehearsed(requires='("memory",)')


@pytest.mark.parametrize(
    ("words", "loss"),
    [
        ([], "torch.tensor(1.0)"),
        ([], "0 * outputs.heads['emotion'].logits.sum()"),
        (["loss.mine.weight=0"], "outputs.heads['emotion'].logits.sum()"),
    ],
)
def test_a_loss_without_a_gradient_is_reported(words, loss, rehearsed):
    assert rehearsed(*words, loss=loss) == ["[loss.mine] has no effect: its gradient is zero"]


def test_a_loss_that_remembers_what_it_sees_is_not_touched(rehearsed, parts):
    rehearsed(loss="self.remember(outputs.heads['emotion'].logits).sum()")
    ((_, losses),) = parts
    assert not losses.losses["mine"].seen


def test_a_part_that_gives_nan_is_named(rehearsed):
    with pytest.raises(InputError, match=r"\[fusion\]: returns NaN or infinity"):
        rehearsed(fused="x * float('nan')")


@pytest.mark.parametrize("counts", [(0, 3, 2), (3, 2, 0), (0, 4, 0), (0, 0, 0)])
def test_a_loss_that_ignores_a_class_without_utterances_is_not_reported(counts, rehearsed):
    info = replace(INFO, targets={"emotion": TargetSpec(("a", "b", "c"), counts)})
    swfc = ["loss.swfc={}"] if any(counts) else []
    assert rehearsed(*swfc, "loss.cross-entropy.class_weights=balanced", info=info) == (
        [] if any(counts) else ["[loss.cross-entropy] has no effect: its gradient is zero"]
    )


CHANGES = "(labels != labels[before])"
PAIRS = """[
    ((x - x[before]).pow(2).sum(-1) * (before >= 0) * {pairs}).sum()
    for labels, before, x in [
        (targets["emotion"], outputs.rows.{order}, outputs.heads["emotion"].{of})
    ]
][0]"""


@pytest.mark.parametrize("of", ["logits", "embedding"])
@pytest.mark.parametrize("order", ["previous", "previous_same_speaker"])
@pytest.mark.parametrize(
    "pairs",
    [
        CHANGES,
        f"~{CHANGES}",
        f"{CHANGES} * (outputs.rows.speaker == outputs.rows.speaker[before])",
        f"{CHANGES} * (labels == 1)",
    ],
)
def test_a_loss_that_compares_an_utterance_with_the_one_before_is_not_reported(pairs, order, of, rehearsed):
    assert rehearsed(loss=" ".join(PAIRS.format(pairs=pairs, order=order, of=of).split())) == []


@pytest.mark.parametrize(
    "loss",
    [
        "outputs.heads['emotion'].logits[:, 1][targets['emotion'] == 1].sum()",
        "self.remember(outputs.heads['emotion'].logits).sum() * (len(self.seen) > 1)",
    ],
)
def test_a_loss_of_one_class_or_of_the_batch_before_is_not_reported(loss, rehearsed):
    assert rehearsed(loss=loss) == []


@pytest.mark.parametrize(("same", "other"), [("~", ""), ("", "~"), ("~", "~"), ("", "")])
def test_a_loss_across_speakers_is_not_reported(same, other, rehearsed):
    pairs = f"({same}(outputs.rows.speaker == outputs.rows.speaker[before])) & ({other}{CHANGES})"
    assert rehearsed(loss=" ".join(PAIRS.format(pairs=f"({pairs})", order="previous", of="logits").split())) == []


def test_equal_outputs_of_a_layer_that_starts_at_zero_do_not_make_a_loss_idle(rehearsed):
    """The difference of equal logits has no gradient before the first step, and has one after it."""
    loss = " ".join(PAIRS.format(pairs="1", order="previous", of="logits").split())
    assert rehearsed(fused="x * 0", loss=loss) == []
