"""Losses of numbers, labels, shares and ordered classes, against loops in float64, gradients included."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ercfw import DataInfo, HeadOutput, InputError, Outputs, Rows, TargetSpec
from ercfw_basics.cross_entropy import CrossEntropy
from ercfw_basics.label_losses import BCE, SoftCrossEntropy
from ercfw_basics.number_losses import CCC, MAE, MSE, Huber
from ercfw_basics.ordinal import Ordinal, OrdinalHead

RANGE = ((-3.0, 3.0),) * 2
NUMBERS = TargetSpec(("a", "b"), (90, 90), "regression", RANGE, False, (0.1, -0.2), (1.5, 0.5), 90)
LABELS = TargetSpec(("a", "b", "c"), (20, 60, 0), "multilabel", labelled=80)
CLASSES = TargetSpec(("low", "middle", "high"), (20, 60, 10))
INFO = DataInfo({"numbers": NUMBERS, "labels": LABELS, "classes": CLASSES, "shares": CLASSES}, {}, 1)
ROWS = 24


def outputs(target: str, logits: torch.Tensor) -> Outputs:
    rows = torch.zeros(len(logits), dtype=torch.int64)
    return Outputs({target: HeadOutput(logits, logits)}, Rows(rows, rows - 1, rows - 1, rows))


def answers(width: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(ROWS, width, generator=generator, dtype=torch.float64)


def numbers(seed: int = 1) -> torch.Tensor:
    """True numbers, of which every fifth row is unlabelled."""
    labels = answers(2, seed).float()
    labels[::5] = math.nan
    return labels


def rows_of(labels: torch.Tensor) -> list[int]:
    return [row for row in range(len(labels)) if not labels[row].isnan().any()]


def squared(e: torch.Tensor) -> torch.Tensor:
    return e * e


def hubers(e: torch.Tensor, delta: float = 0.7) -> torch.Tensor:
    return e * e / 2 if abs(e) <= delta else delta * (abs(e) - delta / 2)


@pytest.mark.parametrize("standardise", [False, True])
@pytest.mark.parametrize(
    ("make", "of_error"),
    [(MSE, squared), (MAE, abs), (lambda *a, **o: Huber(*a, delta=0.7, **o), hubers)],
    ids=["mse", "mae", "huber"],
)
def test_errors_by_loops(make, of_error, standardise) -> None:
    loss = make("numbers", INFO, standardise=standardise)

    def reference(given: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        unit = NUMBERS.deviation if standardise else (1.0, 1.0)
        errors = [
            of_error((given[row, place] - labels[row, place].double()) / unit[place])
            for row in rows_of(labels)
            for place in range(2)
        ]
        return sum(errors) / len(errors)

    same(loss, reference, "numbers", 2, numbers())


def test_concordance_by_loops() -> None:
    def reference(given: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        rows, total = rows_of(labels), torch.zeros((), dtype=torch.float64)
        for place in range(2):
            t, p = [labels[row, place].double() for row in rows], [given[row, place] for row in rows]
            mean_t, mean_p = sum(t) / len(rows), sum(p) / len(rows)
            covariance = sum((a - mean_t) * (b - mean_p) for a, b in zip(t, p, strict=True)) / len(rows)
            spread = sum((a - mean_t) ** 2 for a in t) / len(rows) + sum((b - mean_p) ** 2 for b in p) / len(rows)
            total = total + 1 - 2 * covariance / (spread + (mean_t - mean_p) ** 2)
        return total / 2

    same(CCC("numbers", INFO), reference, "numbers", 2, numbers())


@pytest.mark.parametrize("weights", ["none", "balanced", [0.5, 2.0, 3.0]])
@pytest.mark.parametrize("soft", [False, True])
def test_binary_cross_entropy_by_loops(weights, soft) -> None:
    generator = torch.Generator().manual_seed(2)
    labels = torch.rand(ROWS, 3, generator=generator)
    labels = labels if soft else labels.round()
    labels[::4] = math.nan
    of_positive = {"none": (1, 1, 1), "balanced": (60 / 20, 20 / 60, 80)}.get(str(weights), weights)

    def reference(given: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        losses = [
            -(of_positive[place] * y * F.logsigmoid(given[row, place]) + (1 - y) * F.logsigmoid(-given[row, place]))
            for row in rows_of(labels)
            for place, y in enumerate(labels[row].double())
        ]
        return sum(losses) / len(losses)

    same(BCE("labels", INFO, positive_weights=weights), reference, "labels", 3, labels)


def test_cross_entropy_with_shares_by_loops() -> None:
    shares = torch.from_numpy(np.random.default_rng(0).dirichlet([1.0] * 3, ROWS)).float()
    shares[::3] = math.nan

    def reference(given: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        rows = rows_of(labels)
        return -sum((labels[row].double() * given[row].log_softmax(-1)).sum() for row in rows) / len(rows)

    same(SoftCrossEntropy("shares", INFO), reference, "shares", 3, shares)


def test_ordinal_loss_by_loops() -> None:
    labels = torch.arange(ROWS) % 3
    labels[::6] = -100

    def reference(given: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        losses = []
        for row in range(ROWS):
            if labels[row] == -100:
                continue
            p = given[row].softmax(-1)
            above = [p[limit + 1 :].sum() for limit in range(2)]
            losses.append(-sum((a if labels[row] > k else 1 - a).log() for k, a in enumerate(above)))
        return sum(losses) / len(losses)

    same(Ordinal("classes", INFO), reference, "classes", 3, labels)


def same(loss, reference, target: str, width: int, labels: torch.Tensor) -> None:
    """Value and gradient in float32 are those of the reference in float64, and unlabelled rows have no gradient."""
    mine = answers(width).float().requires_grad_()
    theirs = mine.detach().double().requires_grad_()
    given, expected = loss(outputs(target, mine), {target: labels}), reference(theirs, labels)
    assert given.shape == ()
    assert given.item() == pytest.approx(expected.item(), abs=1e-6, rel=1e-6)
    given.backward()
    expected.backward()
    torch.testing.assert_close(mine.grad.double(), theirs.grad, atol=1e-6, rtol=1e-5)
    unlabelled = labels.isnan().any(-1) if labels.is_floating_point() else labels < 0
    assert unlabelled.any()
    assert not mine.grad[unlabelled].any()


LOSSES = [
    (MSE("numbers", INFO), "numbers"), (MAE("numbers", INFO), "numbers"), (Huber("numbers", INFO), "numbers"),
    (CCC("numbers", INFO), "numbers"), (BCE("labels", INFO), "labels"), (SoftCrossEntropy("shares", INFO), "shares"),
    (Ordinal("classes", INFO), "classes"),
]  # fmt: skip


@pytest.mark.parametrize(("loss", "target"), LOSSES)
def test_without_labels_loss_and_gradient_are_zero(loss, target) -> None:
    width = len(INFO.targets[target].classes)
    given = answers(width).float().requires_grad_()
    labels = torch.full((ROWS,), -100) if target == "classes" else torch.full((ROWS, width), math.nan)
    value = loss(outputs(target, given), {target: labels})
    value.backward()
    assert value.item() == 0
    assert not given.grad.any()


def test_concordance_of_one_row_is_finite() -> None:
    given = torch.tensor([[0.5, 0.5]], requires_grad=True)
    value = CCC("numbers", INFO)(outputs("numbers", given), {"numbers": torch.tensor([[0.5, 1.0]])})
    value.backward()
    assert value.item() == pytest.approx(1)
    assert given.grad.isfinite().all()


def test_there_is_one_weight_per_label() -> None:
    with pytest.raises(InputError, match="positive_weights: has 2 numbers for 3 labels"):
        BCE("labels", INFO, positive_weights=[1.0, 2.0])


def test_the_ordinal_head_is_the_cumulative_link_model() -> None:
    torch.manual_seed(0)
    head = OrdinalHead(4, "classes", INFO).double()
    with torch.no_grad():
        head.first.fill_(-0.4)
        head.distances.fill_(0.3)
    x = torch.randn(ROWS, 4, dtype=torch.float64)
    limits = [-0.4, -0.4 + math.log(1 + math.exp(0.3))]
    score = x @ head.score.weight[0]
    expected = torch.stack(
        [
            torch.sigmoid(limits[0] - score),
            torch.sigmoid(limits[1] - score) - torch.sigmoid(limits[0] - score),
            1 - torch.sigmoid(limits[1] - score),
        ],
        1,
    )
    given = head(x, None).logits
    torch.testing.assert_close(given.exp(), expected.float().to(given.dtype), atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(given.exp().sum(-1), torch.ones(ROWS, dtype=given.dtype))


def test_the_ordinal_head_is_finite_far_from_its_limits() -> None:
    head = OrdinalHead(1, "classes", INFO)
    x = torch.tensor([[-1e3], [1e3]], requires_grad=True)
    logits = head(x, None).logits
    logits.logsumexp(-1).sum().backward()
    assert logits.isfinite().all()
    assert x.grad.isfinite().all()


AGREED = DataInfo({name: replace(spec, has_agreement=True) for name, spec in INFO.targets.items()}, {}, 1)


@pytest.mark.parametrize(
    ("make", "target"),
    [
        (MSE, "numbers"), (MAE, "numbers"), (Huber, "numbers"), (BCE, "labels"), (SoftCrossEntropy, "shares"),
        (CrossEntropy, "classes"),
    ],
)  # fmt: skip
def test_agreement_weights_the_rows(make, target) -> None:
    """A row on which half of the annotators agreed counts half as much: as one of two rows that counts once."""
    width = len(INFO.targets[target].classes)
    given, label = answers(width).float(), torch.arange(ROWS) % 3
    labels = label if target == "classes" else answers(width, 3).float().softmax(-1)
    loss = make(target, AGREED, by_agreement=True)
    shares = torch.tensor([0.5, 1.0] * (ROWS // 2))
    out = outputs(target, given)
    weighed = loss(with_shares(out, target, shares), {target: labels})
    whole = make(target, INFO)
    rows = [row for row in range(ROWS) for _ in range(int(2 * shares[row]))]
    repeated = whole(outputs(target, given[rows]), {target: labels[rows]})
    assert weighed.item() == pytest.approx(repeated.item(), rel=1e-5)
    assert loss(with_shares(out, target, torch.ones(ROWS)), {target: labels}).item() == pytest.approx(
        whole(out, {target: labels}).item(), rel=1e-6
    )
    with pytest.raises(InputError, match="by_agreement: the data has no share of annotators"):
        make(target, INFO, by_agreement=True)


def with_shares(out: Outputs, target: str, shares: torch.Tensor) -> Outputs:
    return replace(out, heads={target: replace(out.heads[target], agreement=shares)})
