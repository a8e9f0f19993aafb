"""Extras of fusions, contexts and heads: their names, what is checked, and losses on them from outside."""

import json

import pytest
import torch

from ercfw import Context, ContextOutput, Encoder, Fused, FusionBlock, Head, HeadOutput
from ercfw.data.collate import collate
from ercfw.model.composed_model import ComposedModel
from ercfw.testing.fixtures import make_conversations

DIMS = {"text": 6, "audio": 5}


class Values(Encoder):
    def forward(self, stream, inputs):
        return stream.values


class Noted(Context):
    """Doubles, and notes the length of each vector."""

    out_dim = 6

    def forward(self, x, inputs):
        return ContextOutput(2 * x, {"length": x.norm(dim=-1)})


class NotedTogether(Noted):
    @staticmethod
    def together(blocks, xs, inputs):
        return [block(x, inputs) for block, x in zip(blocks, xs, strict=True)]


class Joined(FusionBlock):
    out_dim = 11

    def forward(self, xs, inputs):
        return Fused(torch.cat(list(xs.values()), -1), extras={"sum": sum(x.sum(-1) for x in xs.values())})


class WithViews(Joined):
    def forward(self, xs, inputs):
        return Fused(super().forward(xs, inputs).joint, {name: -x for name, x in xs.items()})


class Reads(Head):
    """Keeps the views that it was given."""

    def forward(self, x, inputs, views=None):
        self.views = views
        return HeadOutput(x, x, extras={"half": x / 2})


def composed(context, fusion, joint=None):
    contexts = {"text": context(6, None), "audio": context(5, None)}
    encoders = {name: Values(None, None) for name in DIMS}
    head = Reads(11, "emotion", None)
    return ComposedModel(encoders, contexts, fusion(DIMS, None), joint, {"emotion": head})


@pytest.fixture
def inputs():
    return collate(make_conversations(dict.fromkeys(DIMS, "vector"), absent=0)).inputs


@pytest.mark.parametrize("context", [Noted, NotedTogether])
def test_an_extra_is_named_after_its_table(context, inputs):
    outputs = composed(context, Joined, Noted(11, None))(inputs)
    x = {name: inputs.streams[name].values for name in DIMS}
    joint = torch.cat([2 * x["text"], 2 * x["audio"]], -1)
    wanted = {
        "context.text.length": x["text"].norm(dim=-1),
        "context.audio.length": x["audio"].norm(dim=-1),
        "fusion.sum": joint.sum(-1),
        "context.joint.length": joint.norm(dim=-1),
        "head.emotion.half": joint,
    }
    assert outputs.extras.keys() == wanted.keys()
    for name, extra in wanted.items():
        torch.testing.assert_close(outputs.extras[name], extra)
    assert outputs.heads["emotion"].extras == {}
    torch.testing.assert_close(outputs.heads["emotion"].logits, 2 * joint)


@pytest.mark.parametrize(("fusion", "sign"), [(Joined, 1), (WithViews, -1)])
def test_a_head_reads_the_views_that_losses_read(fusion, sign, inputs):
    model = composed(Noted, fusion)
    outputs = model(inputs)
    views = model.heads["emotion"].views
    for name in DIMS:
        assert torch.equal(views[name], sign * 2 * inputs.streams[name].values)
        assert views[name] is outputs.views[name]


def test_a_model_with_extras_can_be_exported(inputs):
    returned = str(torch.export.export(composed(Noted, Joined).eval(), (inputs,)).call_spec.out_spec)
    for name in ("context.text.length", "context.audio.length", "fusion.sum", "head.emotion.half"):
        assert f"'{name}'" in returned


PLUGIN = """\
import torch
from torch import nn
from ercfw import Fused, FusionBlock, Loss, hookimpl

class Misa(FusionBlock):
    '''Modality-invariant and -specific subspaces (Hazarika et al., 2020).'''
    def __init__(self, dims, info):
        super().__init__(dims, info)
        self.out_dim = 4 * len(dims)
        self.shared = nn.ModuleDict({m: nn.Linear(d, 4) for m, d in dims.items()})
        self.private = nn.ModuleDict({m: nn.Linear(d, 4) for m, d in dims.items()})

    def forward(self, xs, inputs):
        shared = {m: self.shared[m](x) for m, x in xs.items()}
        private = {m: self.private[m](x) for m, x in xs.items()}
        joint = torch.cat([shared[m] + private[m] for m in xs], -1)
        extras = {f"shared.{m}": x for m, x in shared.items()} | {f"private.{m}": x for m, x in private.items()}
        return Fused(joint, extras=extras | {"size": joint.square().mean(-1)} EXTRA)

class Difference(Loss):
    '''|| H_shared^T H_private ||^2 of each modality, equation 8.'''
    requires = ("fusion.shared.text", "fusion.private.text")

    def __init__(self, target, info, widths):
        super().__init__(target, info)
        self.modalities = [name.rpartition(".")[2] for name in widths.extras if name.startswith("fusion.shared.")]

    def forward(self, outputs, targets):
        total = 0.0
        for m in self.modalities:
            one, other = outputs.extras[f"fusion.shared.{m}"], outputs.extras[f"fusion.private.{m}"]
            one, other = one - one.mean(0), other - other.mean(0)
            total = total + (one.T @ other / len(one)).square().sum()
        return total

@hookimpl
def provide_fusions():
    return {"misa": Misa}

@hookimpl
def provide_losses():
    return {"difference": Difference}
"""
MISA = ("plugins=['./mine.py']", "fusion.use=misa", "loss.difference.weight=20", "train.epochs=6")


@pytest.fixture
def misa(plugin_file):
    def write(extra=""):
        plugin_file(PLUGIN.replace(" EXTRA", extra))

    return write


def test_a_plugin_file_says_misa(cli, misa, tiny_recipe, tmp_path):
    misa()
    words = ("loss.size.use=extra", "loss.size.name=fusion.size", "loss.size.weight=0.1")
    ended = cli("run", tiny_recipe(), *MISA, *words, "--json")
    assert ended.code == 0, ended.err
    folder = tmp_path / "runs/tiny/base/seed-0"
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    assert lines[-1]["train_loss"]["difference"] < 0.7 * lines[0]["train_loss"]["difference"]
    assert lines[0]["train_loss"]["size"] > 0
    shares = json.loads((folder / "metrics.json").read_text())["gradient_shares"]["untrained"]
    assert all(shares[name] > 0 for name in ("difference", "size", "cross-entropy"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("loss.x.use=extra",), "[loss.x] name: is missing"),
        (
            ("loss.x.use=extra", "loss.x.name=fusion.siz"),
            "[loss.x] name: the model returns no extra 'fusion.siz' (did you mean 'fusion.size'?",
        ),
        (
            ("loss.x.use=extra", "loss.x.name=fusion.shared.text"),
            "[loss.x] name: extra 'fusion.shared.text' has shape [N, 4] (a penalty is one number per utterance: [N])",
        ),
        (
            ("loss.x.use=extra", "loss.x.name=kl", "fusion.use=concat", "--drop", "loss.difference"),
            "[loss.x] name: the model returns no extra 'kl' (use a part that returns extras)",
        ),
        (("fusion.use=concat",), "[loss.difference]: needs 'fusion.shared.text', which this model does not return"),
    ],
)
def test_losses_on_extras_that_cannot_be(words, message, cli, misa, tiny_recipe):
    misa()
    cli("validate", tiny_recipe(), *MISA, *words).check(2, message)


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        (' | {"kl": joint.mean()}', "extra 'fusion.kl': is a single number (a tensor with one row per utterance: 6)"),
        (' | {"kl": 0.5}', "extra 'fusion.kl': is float (a tensor with one row per utterance: 6)"),
        (' | {"kl": joint[:1]}', "extra 'fusion.kl': has 1 rows (one row per utterance: 6)"),
    ],
)
def test_extras_that_are_no_rows(extra, message, cli, misa, tiny_recipe):
    misa(extra)
    cli("validate", tiny_recipe(), *MISA).check(2, message)


NARROW = """\
from ercfw import Fused, FusionBlock, hookimpl
import torch

class Narrow(FusionBlock):
    '''Views of width 2.'''
    def __init__(self, dims, info):
        super().__init__(dims, info)
        self.out_dim = sum(dims.values())
        DECLARED

    def forward(self, xs, inputs):
        return Fused(torch.cat(list(xs.values()), -1), {name: x[:, :2] for name, x in xs.items()})

@hookimpl
def provide_fusions():
    return {"narrow": Narrow}
"""
ON_VIEWS = ("plugins=['./mine.py']", "fusion.use=narrow", "head.emotion.use=auxiliary-linear",
            "loss.auxiliary-cross-entropy={}")  # fmt: skip


def test_a_fusion_declares_the_widths_of_views_that_a_head_reads(cli, plugin_file, tiny_recipe):
    plugin_file(NARROW.replace("DECLARED", "self.view_dims = dict.fromkeys(dims, 2)"))
    assert cli("run", tiny_recipe(), *ON_VIEWS).code == 0
    plugin_file(NARROW.replace("DECLARED", "self.view_dims = dict.fromkeys(dims, 3)"))
    cli("validate", tiny_recipe(), *ON_VIEWS).check(
        2, "[fusion]: returns views of widths {'text': 2, 'audio': 2}, but its view_dims are..set view_dims ="
    )


def test_a_head_that_reads_no_views_asks_for_no_declaration(cli, plugin_file, tiny_recipe):
    plugin_file(NARROW.replace("DECLARED", "pass"))
    assert cli("validate", tiny_recipe(), *ON_VIEWS[:2]).code == 0
