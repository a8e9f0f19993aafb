"""Every check of a loss catches one that breaks its promise."""

import pytest
import torch
from torch.nn.functional import cross_entropy

from ercfw import Loss, labelled
from ercfw.testing import CHECKS, check_part, conformance


class Good(Loss):
    """Mean cross-entropy of the labelled rows.

    Options:
        smoothing: share of the label that the other classes get.
    """

    def __init__(self, target, info, *, smoothing: float = 0.0) -> None:
        super().__init__(target, info)
        self.smoothing = smoothing

    def forward(self, outputs, targets):
        keep = labelled(targets, self.target)
        logits, labels = outputs.heads[self.target].logits, targets[self.target]
        total = cross_entropy(logits, labels, label_smoothing=self.smoothing, reduction="sum")
        return total / keep.sum().clamp(min=1)


class Undocumented(Good):
    """Nothing."""

    def __init__(self, target, info, *, secret: float = 0.0) -> None:
        super().__init__(target, info)


class ARowEach(Good):
    def forward(self, outputs, targets):
        return super().forward(outputs, targets) * torch.ones(len(targets[self.target]))


class TeachesNothing(Good):
    def forward(self, outputs, targets):
        return super().forward(outputs, targets).detach()


class MeanOfNothing(Good):
    def forward(self, outputs, targets):
        return cross_entropy(outputs.heads[self.target].logits, targets[self.target], ignore_index=-100)


class SpreadOfFew(Good):
    def forward(self, outputs, targets):
        keep = labelled(targets, self.target)
        return super().forward(outputs, targets) + outputs.heads[self.target].embedding[keep].std(0).sum() * keep.any()


class ExpFirst(Good):
    def forward(self, outputs, targets):
        keep = labelled(targets, self.target)
        logits = outputs.heads[self.target].logits
        if not keep.any():
            return logits.sum() * 0
        shares = logits.exp() / logits.exp().sum(-1, keepdim=True)
        return -shares[keep].gather(1, targets[self.target][keep][:, None]).log().mean()


class CountsUnlabelled(Good):
    def forward(self, outputs, targets):
        return cross_entropy(outputs.heads[self.target].logits, targets[self.target].clamp(min=0))


class FirstCountsTwice(Good):
    def forward(self, outputs, targets):
        return super().forward(outputs, targets) + outputs.heads[self.target].logits[0].pow(2).sum()


class HalfAGradient(Good):
    def forward(self, outputs, targets):
        value = super().forward(outputs, targets)
        return 0.5 * value + 0.5 * value.detach()


class AllPairs(Good):
    """Compares each answer with each number: ``[N] - [N, 1]``."""

    serves = ("regression",)

    def forward(self, outputs, targets):
        apart = outputs.heads[self.target].logits.squeeze(-1) - targets[self.target].nan_to_num()
        here = labelled(targets, self.target)
        return (apart.square().mean(-1) * here).sum() / here.sum().clamp(min=1)


class OfAnExtra(Good):
    requires = ("gates",)


class WeightsOnTheHost(Good):
    def forward(self, outputs, targets):
        return super().forward(outputs, targets) + 0 * (outputs.heads[self.target].embedding @ torch.eye(5)).sum()


class ReadsAValue(Good):
    def forward(self, outputs, targets):
        return super().forward(outputs, targets) + 0 * float(outputs.heads[self.target].logits.detach().max())


MUTANTS = {
    "options are documented": [Undocumented],
    "one finite number": [ARowEach, TeachesNothing],
    "nothing labelled": [MeanOfNothing],
    "few rows": [SpreadOfFew],
    "large values": [ExpFirst],
    "unlabelled rows": [CountsUnlabelled],
    "each row its label": [AllPairs],
    "any order": [FirstCountsTwice],
    "finite differences": [HalfAGradient],
    "any device": [WeightsOnTheHost],
}


def test_a_good_loss_passes_all():
    report = conformance("loss", Good, {"smoothing": 0.1})
    assert [outcome.status for outcome in report.outcomes] == ["passed"] * len(CHECKS["loss"])


def test_every_check_has_a_mutant():
    assert list(MUTANTS) == [check.__name__.replace("_", " ") for check in CHECKS["loss"]]


@pytest.mark.filterwarnings("ignore:std")  # that of few rows
@pytest.mark.parametrize(("check", "mutant"), [(c, m) for c, mutants in MUTANTS.items() for m in mutants])
def test_the_check_catches_it(check, mutant):
    assert check in {outcome.check for outcome in check_part("loss", mutant).of("failed")}


def test_a_loss_of_an_output_that_only_its_model_has_is_skipped():
    report = check_part("loss", OfAnExtra)
    assert {outcome.status for outcome in report.outcomes[1:]} == {"skipped"}
    assert "it requires 'gates', which only its own model returns" in report.outcomes[1].reason


def test_a_loss_that_reads_a_value_is_skipped_with_the_reason():
    (outcome,) = [each for each in check_part("loss", ReadsAValue).outcomes if each.check == "any device"]
    assert outcome.status == "skipped"
    assert "it reads a value, which makes the CPU wait" in outcome.reason
