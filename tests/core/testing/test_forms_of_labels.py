"""The kit on parts that serve numbers, several labels and shares of annotators: each is checked with what it serves."""

import numpy as np
import pytest
import torch
from torch import nn

from ercfw import Head, HeadOutput, InputError, Loss, Model, Outputs, Rows, has_label, labelled, metric
from ercfw.contract.targets import FORMS
from ercfw.data.label_form import declared_targets, wrong_form
from ercfw.testing import check_part, conformance
from ercfw.testing.fixtures import TARGET, TARGETS, data_info, make_conversations

from .metric_mutants import GOOD, good_metric


@pytest.mark.parametrize("form", FORMS)
def test_made_labels_have_their_form(form):
    target = declared_targets({TARGET: TARGETS[form]})[TARGET]
    conversations = make_conversations({"text": "vector"}, sizes=(9, 30), target=target)
    for conversation in conversations:
        assert wrong_form(target, conversation.labels[TARGET], len(conversation)) is None
    labels = np.concatenate([conversation.labels[TARGET] for conversation in conversations])
    assert 0 < (~has_label(labels)).sum() < len(labels) / 3
    assert data_info(conversations, target).targets[TARGET].form == form
    with_classes = make_conversations({"text": "vector"}, sizes=(9, 30))
    for one, other in zip(conversations, with_classes, strict=True):
        assert np.array_equal(one.streams["text"].values, other.streams["text"].values)


class Errors(Loss):
    """Squared error of numbers."""

    serves = ("regression",)

    def forward(self, outputs, targets):
        here = labelled(targets, self.target)
        apart = outputs.heads[self.target].logits - targets[self.target].nan_to_num()
        return (self.cost(apart) * here.unsqueeze(-1)).sum() / here.sum().clamp(min=1)

    def cost(self, apart):
        return apart.square()


class OfLabels(Errors):
    """Squared error of probabilities of labels, or shares of annotators."""

    serves = ("multilabel", "soft-multilabel")

    def forward(self, outputs, targets):
        heads = {self.target: HeadOutput(outputs.heads[self.target].logits.sigmoid(), torch.zeros(1))}
        return super().forward(Outputs(heads, outputs.rows), targets)


class Pull(Loss):
    """Pulls embeddings of labelled utterances to 0, whatever the label is."""

    serves = FORMS

    def forward(self, outputs, targets):
        here = labelled(targets, self.target)
        return (outputs.heads[self.target].embedding.square().mean(-1) * here).sum() / here.sum().clamp(min=1)


class OneNumber(Errors):
    def __init__(self, target, info) -> None:
        super().__init__(target, info)
        if len(info.targets[target].classes) > 1:
            raise InputError.at("target", "has several numbers", "use a target of one number")


@pytest.mark.parametrize("loss", [Errors, OfLabels, Pull, OneNumber])
def test_a_good_loss_is_checked_with_each_form(loss):
    report = conformance("loss", loss)
    assert {outcome.status for outcome in report.outcomes} == {"passed"}
    assert report.notes == (f"it was checked with each form of labels that it serves: {', '.join(loss.serves)}",)


class KeepsNaN(Errors):
    def forward(self, outputs, targets):
        return (outputs.heads[self.target].logits - targets[self.target]).square().mean()


class MasksTooLate(Errors):
    """The value is right, but the gradient of a row with NaN is NaN."""

    def forward(self, outputs, targets):
        here = labelled(targets, self.target).unsqueeze(-1)
        if not here.any():
            return outputs.heads[self.target].logits.sum() * 0
        apart = (outputs.heads[self.target].logits - targets[self.target]).square()
        return torch.where(here, apart, 0.0).mean()


class CountsAsZero(Errors):
    def forward(self, outputs, targets):
        return (outputs.heads[self.target].logits - targets[self.target].nan_to_num()).square().mean()


class NeverZero(Errors):
    def forward(self, outputs, targets):
        return super().forward(outputs, targets) + 1


class OfClasses(Errors):
    def forward(self, outputs, targets):
        return -outputs.heads[self.target].logits.log_softmax(-1).gather(1, targets[self.target].unsqueeze(1)).mean()


class RootOfZero(Errors):
    """The gradient of the square root is infinite where an answer is right."""

    def forward(self, outputs, targets):
        return super().forward(outputs, targets).sqrt()


class AllPairs(Errors):
    """Compares each answer with each label where there is one number."""

    def forward(self, outputs, targets):
        here = labelled(targets, self.target)
        apart = outputs.heads[self.target].logits.squeeze(-1) - targets[self.target].nan_to_num()
        return (apart.square().mean(-1) * here).sum() / here.sum().clamp(min=1)


class SecondFormOnly(OfLabels):
    """Wrong for shares of annotators alone."""

    def forward(self, outputs, targets):
        return super().forward(outputs, targets) if set(targets[self.target].unique().tolist()) <= {0.0, 1.0} else None


LOSS_MUTANTS = [
    (KeepsNaN, "nothing labelled", "for regression: it returns NaN or infinity where no utterance has a label"),
    (KeepsNaN, "unlabelled rows", "for regression: its gradient is NaN"),
    (MasksTooLate, "unlabelled rows", "for regression: its gradient is NaN or infinite where some have no label"),
    (CountsAsZero, "unlabelled rows", "for regression: utterances without a label change it"),
    (NeverZero, "nothing labelled", "for regression: it is 1, or has a gradient, where no utterance has a label"),
    (OfClasses, "one finite number", "for regression: "),
    (AllPairs, "each row its label", "for regression of one number: which utterance has which label does not matter"),
    (RootOfZero, "nothing labelled", "for regression: its gradient is NaN or infinite"),
    (SecondFormOnly, "one finite number", "for soft-multilabel: it returns NoneType"),
]


@pytest.mark.parametrize(("loss", "check", "says"), LOSS_MUTANTS)
def test_mistakes_of_losses_with_their_form(loss, check, says):
    failed = {outcome.check: outcome.reason for outcome in check_part("loss", loss).of("failed")}
    assert failed[check].startswith(says)


class Answering(Head):
    """A linear map."""

    causal = True
    serves = ("classes", "regression", "multilabel")

    def __init__(self, dim, target, info) -> None:
        super().__init__(dim, target, info)
        self.linear = nn.Linear(dim, self.width(info.targets[target]))

    def width(self, spec):
        return len(spec.classes)

    def forward(self, x, inputs):
        return HeadOutput(self.linear(x), x)


class OneAnswer(Answering):
    def width(self, spec):
        return 1 if spec.kind == "regression" else super().width(spec)


class NotFinite(Answering):
    def forward(self, x, inputs):
        return HeadOutput(self.linear(x) / (self.linear.out_features != 3), x)


class Whole(Model):
    """A linear map of all modalities for each target."""

    causal = True
    serves = ("regression", "multilabel")

    def __init__(self, info) -> None:
        super().__init__(info)
        width = sum(spec.dim for spec in info.modalities.values())
        self.linear = nn.ModuleDict({name: nn.Linear(width, self.width(spec)) for name, spec in info.targets.items()})

    def width(self, spec):
        return len(spec.classes)

    def forward(self, inputs):
        x = torch.cat([stream.values for stream in inputs.streams.values()], -1)
        return Outputs({name: HeadOutput(layer(x), x) for name, layer in self.linear.items()}, Rows.of(inputs))


class FourAnswers(Whole):
    def width(self, spec):
        return 4


@pytest.mark.parametrize(("kind", "part"), [("head", Answering), ("model", Whole)])
def test_good_heads_and_models(kind, part):
    report = conformance(kind, part)
    assert report.notes == (f"it was checked with each form of labels that it serves: {', '.join(part.serves)}",)


@pytest.mark.parametrize(
    ("kind", "part", "says"),
    [
        ("head", OneAnswer, "for regression: it returns a width of 1, but the number of numbers is 2"),
        ("head", NotFinite, "for multilabel: it returns NaN or infinity for ordinary inputs"),
        ("model", FourAnswers, "for regression: it returns a width of 4, but the number of numbers is 2"),
    ],
)
def test_mistakes_of_heads_and_models_with_their_form(kind, part, says):
    (failed,) = [outcome for outcome in check_part(kind, part).of("failed") if outcome.check == "shapes"]
    assert failed.reason == says


@pytest.mark.parametrize("name", GOOD)
def test_good_metrics(name):
    report = conformance("metric", GOOD[name])
    assert [outcome.check for outcome in report.of("skipped")] == ["short conversations"]


def test_a_metric_of_a_range_gets_numbers_in_it():
    seen = []

    @metric("regression", range=(1.0, 5.0))
    def watched(true, predicted, names):
        seen.append((true.min(), true.max()))
        return 0.0

    conformance("metric", watched)
    assert min(low for low, _ in seen) == 1
    assert max(high for _, high in seen) == 5


class ServesAWord(Errors):
    serves = "regression"


class ServesNothingKnown(Errors):
    serves = ("numbers",)


class HeadOfShares(Answering):
    serves = ("classes", "soft-classes")


@pytest.mark.parametrize(
    ("kind", "part", "says"),
    [
        ("loss", ServesAWord, "serves is 'regression' (it should be a tuple, such as ('classes',))"),
        ("loss", ServesNothingKnown, "serves names 'numbers', which no loss can serve"),
        ("head", HeadOfShares, "serves names 'soft-classes', which no head can serve"),
        ("metric", metric("number")(lambda true, values, names: good_metric(true, values, names)), "serves names"),
    ],
)
def test_wrong_declarations_are_named(kind, part, says):
    (failed,) = [outcome for outcome in check_part(kind, part).of("failed") if outcome.check == "serves"]
    assert failed.reason.startswith(says)


def test_options_of_a_metric_on_the_command_line(cli):
    cli("check", "metric/kappa", "weights=quadratic").check(0)
    cli("check", "metric/kappa", "weights=cubic").check(2, "check metric/kappa weights: ")
