"""A recipe becomes objects: which part gets which width, and what a part's failure says."""

import pytest
import torch

from ercfw.contract.data_info import DataInfo, ModalitySpec, TargetSpec
from ercfw.errors import InputError, RunError
from ercfw.experiment.plan import Selection, plan_jobs
from ercfw.model.build import build_model
from ercfw.model.losses import build_losses
from ercfw.recipe.overrides import parse_overrides
from ercfw.recipe.queries import selected_metric
from ercfw.recipe.recipe_file import read_toml
from ercfw.registry import resolve
from ercfw.registry.make import make_part

INFO = DataInfo(
    {"emotion": TargetSpec(("a", "b"), (3, 1)), "mood": TargetSpec(("c", "d", "e"), (1, 1, 1))},
    {name: ModalitySpec("vector", dim, 1, (0.0,) * dim, (1.0,) * dim) for name, dim in (("text", 8), ("audio", 6))},
    2,
)
FAILING = """\
from ercfw import FusionBlock, InputError, hookimpl

class {name}(FusionBlock):
    def __init__(self, dims, info, *, width: int = 3) -> None:
        super().__init__(dims, info)
        {body}

    def forward(self, xs, inputs):
        return xs

@hookimpl
def provide_fusions():
    return {{"mine": {name}}}
"""


@pytest.fixture
def job(tiny_recipe):
    def plan(*words: str, drop=()):
        (planned,) = plan_jobs(read_toml(tiny_recipe()), Selection(overrides=parse_overrides(words), dropped=drop))
        return planned

    return plan


def build(job):
    return build_model(job.parts.network, INFO)


def test_each_part_gets_the_width_of_the_one_before(job):
    words = ["encoder.text={use='linear',width=5}", "context.text={use='gru',width=6}", "context.joint.use=gru"]
    model = build(job(*words, "context.joint.width=10"))
    assert {name: part.out_dim for name, part in model.encoders.items()} == {"text": 5, "audio": 8}
    assert list(model.contexts) == ["text"]
    text = model.contexts["text"].out_dim
    assert model.fusion.out_dim == text + 8
    weights = dict(model.joint_context.named_parameters())
    assert any(w.shape[-1] == text + 8 for w in weights.values())
    assert model.joint_context.out_dim == next(w for w in model.heads.parameters() if w.ndim == 2).shape[1]


def test_default_serves_every_modality_without_a_table_of_its_own(job):
    model = build(job("context.default={use='gru',width=4}", "context.audio={use='none'}"))
    assert type(model.contexts["text"]).__name__ == "GRUContext"
    assert type(model.contexts["audio"]).__name__ == "NoContext"


def test_the_seed_decides_the_weights(job):
    models = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        models.append(torch.cat([p.flatten() for p in build(job()).parameters()]))
    assert torch.equal(models[0], models[1])
    assert not torch.equal(models[0], models[2])


def test_a_loss_is_of_the_only_head_unless_it_says_another(job):
    only = job("head.mood.use=linear", drop=["head.emotion"])
    assert build_losses(only.recipe, only.parts.losses, INFO).losses["cross-entropy"].target == "mood"
    both = job("head.mood.use=linear", "loss.cross-entropy.target=mood")
    assert build_losses(both.recipe, both.parts.losses, INFO).losses["cross-entropy"].target == "mood"


def test_losses_are_weighted(job):
    planned = job("loss.focal.weight=0.25", "loss.cross-entropy.weight=rest")
    losses = build_losses(planned.recipe, planned.parts.losses, INFO)
    assert losses.weights == {"cross-entropy": 0.75, "focal": 0.25}


def test_what_chooses_the_epoch(job):
    assert selected_metric(job().recipe) == "emotion.weighted-f1"
    assert selected_metric(job("head.mood.use=linear", drop=["head.emotion"]).recipe) == "mood.weighted-f1"
    assert selected_metric(job("train.select=emotion.accuracy").recipe) == "emotion.accuracy"


def test_resolved_tables_can_be_planned_again_to_the_same(job, tmp_path):
    import tomlkit

    first = job("loss.swfc.weight=0.5", "loss.cross-entropy.weight=rest", "features.text.use=minilm")
    (tmp_path / "again.toml").write_text(tomlkit.dumps({**first.tables, "seeds": [0]}))
    (again,) = plan_jobs(read_toml(tmp_path / "again.toml"), Selection())
    assert again.tables == first.tables
    assert again.key == first.key
    assert again.tables["loss"]["swfc"]["weight"] == 0.5


@pytest.mark.parametrize(
    ("body", "error", "message"),
    [
        ("1 / 0", RunError, "[fusion] fusion 'mine' failed: ZeroDivisionError: division by zero (mine.py, line 6)"),
        ("raise InputError.at('width', 'is odd')", InputError, "[fusion] width: is odd"),
        ("raise InputError.at('[data] root', 'is odd')", InputError, "[data] root: is odd"),
        ("raise RunError('disk')", RunError, "NameError"),
        ("pass", RunError, "[fusion] Mine: __init__ must set out_dim"),
        ("self.out_dim = '3'", RunError, "[fusion] Mine: __init__ must set out_dim"),
    ],
)
def test_a_part_that_can_not_be_made_names_its_table(body, error, message, job, plugin_file):
    plugin_file(FAILING.format(name="Mine", body=body))
    with pytest.raises(error) as raised:
        build(job("plugins=['./mine.py']", "fusion.use=mine"))
    assert message in str(raised.value)


KEEPS = """\
from ercfw import FusionBlock, hookimpl


class Mine(FusionBlock):
    def __init__(self, dims, info, *, sizes: dict[str, list[int]] = {}) -> None:
        super().__init__(dims, info)
        self.out_dim, self.sizes = 4, sizes

    def forward(self, streams, inputs): ...


@hookimpl
def provide_fusions():
    return {"mine": Mine}
"""


def test_a_part_that_changes_its_options_changes_them_for_itself_alone(job, plugin_file):
    plugin_file(KEEPS)
    resolved = job("plugins=['./mine.py']", "fusion.use=mine", "fusion.sizes={a=[1]}").parts.network.fusion
    first = make_part(resolved, {"text": 8, "audio": 8}, INFO)
    first.sizes["a"].append(2)
    first.sizes["b"] = [3]
    assert make_part(resolved, {"text": 8, "audio": 8}, INFO).sizes == {"a": [1]}


def test_options_are_read_once_however_often_a_part_is_made(job, monkeypatch):
    reads = []
    read_options = resolve.read_options
    monkeypatch.setattr(resolve, "read_options", lambda *given: (reads.append(given[2]), read_options(*given))[1])
    planned = job("fusion.use=multiattn")
    for _ in range(2):
        build(planned)
        build_losses(planned.recipe, planned.parts.losses, INFO)
    network = ["[data]", "[encoder.default]", "[fusion]", "[head.emotion]", "[loss.cross-entropy]"]
    assert sorted(reads) == [*network, "[train.optimizer]"]
