"""The kit on parts that return extras, heads that read views, and losses that take widths or detach outputs."""

import pytest
import torch
from torch import nn

from ercfw import Context, ContextOutput, Fused, FusionBlock, Head, HeadOutput, Loss
from ercfw.testing import check_part, conformance


class Penalised(FusionBlock):
    """A projection of all modalities with a penalty for large values."""

    causal = True

    def __init__(self, dims, info) -> None:
        super().__init__(dims, info)
        self.out_dim = 4
        self.project = nn.Linear(sum(dims.values()), 4)

    def forward(self, xs, inputs):
        joint = self.project(torch.cat(list(xs.values()), -1))
        return Fused(joint, extras={"size": self.penalty(joint), "row": inputs.layout.row})

    def penalty(self, joint):
        return joint.square().mean(-1)


class OfTheBatch(Penalised):
    def penalty(self, joint):
        return (joint - joint.mean(0)).square().mean(-1)


class Single(Penalised):
    def penalty(self, joint):
        return joint.square().mean()


class NoTensor(Penalised):
    def penalty(self, joint):
        return 0.5


class Lengths(Context):
    """Vectors and their lengths."""

    causal = True

    def __init__(self, dim, info) -> None:
        super().__init__(dim, info)
        self.out_dim, self.factor = dim, nn.Parameter(torch.ones(dim))

    def forward(self, x, inputs):
        return ContextOutput(self.factor * x, {"length": x.square().sum(-1)})

    @staticmethod
    def together(blocks, xs, inputs):
        return [block(x, inputs) for block, x in zip(blocks, xs, strict=True)]


class WrongTogether(Lengths):
    @staticmethod
    def together(blocks, xs, inputs):
        alone = Lengths.together(blocks, xs, inputs)
        return [ContextOutput(each.x, {"length": 2 * each.extras["length"]}) for each in alone]


class OnViews(Head):
    """The sum of a classifier of each view."""

    causal = True

    def __init__(self, dim, target, info, views) -> None:
        super().__init__(dim, target, info, views)
        classes = len(info.targets[target].classes)
        self.classify = nn.ModuleDict({name: nn.Linear(width, classes) for name, width in views.items()})

    def forward(self, x, inputs, views=None):
        alone = torch.stack([classify(views[name]) for name, classify in self.classify.items()], 1)
        return HeadOutput(alone.sum(1), x, alone, extras={"spread": alone.std(1)})


@pytest.mark.parametrize(("kind", "part"), [("fusion", Penalised), ("context", Lengths), ("head", OnViews)])
def test_a_part_with_extras_passes(kind, part):
    assert not conformance(kind, part).of("failed")


@pytest.mark.parametrize(
    ("kind", "part", "check"),
    [
        ("fusion", OfTheBatch, "alone and batched"),
        ("fusion", OfTheBatch, "other conversations"),
        ("fusion", Single, "shapes"),
        ("fusion", NoTensor, "shapes"),
        ("context", WrongTogether, "together"),
    ],
)
def test_extras_are_checked_too(kind, part, check):
    assert check in {outcome.check for outcome in check_part(kind, part).of("failed")}


def test_an_extra_without_rows_is_named():
    (outcome,) = [each for each in check_part("fusion", Single).of("failed") if each.check == "shapes"]
    assert outcome.reason == "extra 'size' is not a tensor with one row per utterance"


class ToTheHead(Loss):
    """Squared distance of the logits from a constant: the embedding, mapped."""

    detached = ("embedding",)

    def __init__(self, target, info, widths) -> None:
        super().__init__(target, info)
        self.map = nn.Linear(widths.embedding, len(info.targets[target].classes))

    def forward(self, outputs, targets):
        head = outputs.heads[self.target]
        wanted = self.map(head.embedding.detach().to(self.map.weight.dtype))
        here = (targets[self.target] >= 0).unsqueeze(-1)
        return ((head.logits - wanted).square() * here).mean()


class NotDeclared(ToTheHead):
    detached = ()


class NotDetached(ToTheHead):
    detached = ("logits",)


def test_a_loss_declares_what_it_detaches():
    assert not conformance("loss", ToTheHead).of("failed")
    assert {each.check for each in check_part("loss", NotDeclared).of("failed")} == {"finite differences"}
    (failed,) = check_part("loss", NotDetached).of("failed")
    assert failed.reason == "it declares detached = ('logits',), but one of these has a gradient"
