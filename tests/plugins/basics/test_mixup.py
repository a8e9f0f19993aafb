"""Mixup: what is mixed, with whom, and the cross-entropy for both labels beside a loop."""

import math
from dataclasses import replace

import pytest
import torch

from ercfw_basics.cross_entropy import CrossEntropy
from ercfw_basics.mixup import Mixup, MixupCrossEntropy
from tests.plugins.basics.made_outputs import INFO, LABELS, ROWS, check_gradients, draw, outputs_of

SHARE, PARTNER = "context.joint.share", "context.joint.partner"


def test_each_row_is_a_mixture_with_its_partner(batch, info):
    rows = len(batch.ids)
    x = torch.randn(rows, 6)
    mixed = Mixup(6, info)(x, batch.inputs)
    share, partner = mixed.extras["share"], mixed.extras["partner"]
    assert sorted(partner.tolist()) == list(range(rows))
    for row in range(rows):
        wanted = share[row] * x[row] + (1 - share[row]) * x[partner[row]]
        torch.testing.assert_close(mixed.x[row], wanted)


def test_partners_are_rows_of_the_whole_batch(batch, info):
    """A process that runs rows 100 and on names these, not their places in its own share."""
    numbers = 100 + torch.arange(len(batch.ids))
    inputs = replace(batch.inputs, layout=replace(batch.inputs.layout, row=numbers))
    assert sorted(Mixup(6, info)(torch.zeros(len(numbers), 6), inputs).extras["partner"]) == numbers.tolist()


def test_evaluation_leaves_the_vectors_alone(batch, info):
    x = torch.randn(len(batch.ids), 6)
    given = Mixup(6, info).eval()(x, batch.inputs)
    assert given.x is x
    assert given.extras["share"].eq(1).all()
    assert torch.equal(given.extras["partner"], torch.arange(len(x)))


@pytest.mark.parametrize("alpha", [0.5, 1.0, 20.0])
def test_shares_are_of_the_beta_distribution(alpha, converse, info):
    from scipy.stats import beta, kstest

    from ercfw.data.collate import collate

    batch = collate([converse(3000, seed=0)])
    torch.manual_seed(0)
    share = Mixup(2, info, alpha=alpha)(torch.zeros(3000, 2), batch.inputs).extras["share"]
    assert kstest(share.double().numpy(), beta(alpha, alpha).cdf).pvalue > 0.001


def test_the_seed_decides(batch, info):
    def once(seed):
        torch.manual_seed(seed)
        return Mixup(6, info)(torch.ones(len(batch.ids), 6), batch.inputs).extras

    assert torch.equal(once(1)["partner"], once(1)["partner"])
    assert torch.equal(once(1)["share"], once(1)["share"])
    assert not torch.equal(once(1)["share"], once(2)["share"])


@pytest.mark.parametrize("class_weights", [[1.0, 1.0, 1.0], [0.5, 2.0, 1.5]])
def test_the_loss_is_that_of_both_labels_by_hand(class_weights):
    logits, share = draw(ROWS, 3), draw(ROWS).sigmoid().detach()
    partner = torch.tensor([3, 2, 0, 1, 5, 4, 6, 2])  # some have no label
    total, weight = 0.0, 0.0
    for row in range(ROWS):
        lengths = math.log(sum(map(math.exp, logits[row].tolist())))
        for label, part in ((LABELS[row], share[row]), (LABELS[partner[row]], 1 - share[row])):
            if label >= 0:
                weight += float(part) * class_weights[label]
                total += float(part) * class_weights[label] * (lengths - logits[row, label].item())
    loss = MixupCrossEntropy("emotion", INFO, class_weights=class_weights)

    def of(x):
        return loss(outputs_of(x, extras={SHARE: share, PARTNER: partner}), {"emotion": LABELS})

    assert of(logits).item() == pytest.approx(total / weight, abs=1e-9)
    check_gradients(of, logits)


def test_where_nothing_is_mixed_it_is_cross_entropy():
    logits = draw(ROWS, 3).float()
    extras = {SHARE: torch.ones(ROWS), PARTNER: torch.arange(ROWS)}
    found = MixupCrossEntropy("emotion", INFO)(outputs_of(logits, extras=extras), {"emotion": LABELS})
    wanted = CrossEntropy("emotion", INFO)(outputs_of(logits), {"emotion": LABELS})
    assert found.item() == pytest.approx(wanted.item(), abs=1e-6)


def test_a_recipe_mixes_and_a_recipe_without_mixup_is_told(cli, tiny_recipe):
    recipe = tiny_recipe()
    words = ("context.joint.use=mixup", "--drop", "loss.cross-entropy", "loss.mixup-cross-entropy.weight=1")
    assert cli("run", recipe, *words).code == 0
    cli("run", recipe, "loss.mixup-cross-entropy.weight=1").check(
        2, "[loss.mixup-cross-entropy]: needs 'context.joint.share', which this model does not return"
    )
    cli("run", recipe, *words, "context.joint.alpha=0").check(2, "[context.joint] alpha: should be greater than")
