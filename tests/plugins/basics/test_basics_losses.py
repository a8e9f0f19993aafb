"""The losses against torch and against plain loops in float64, gradients included."""

import math

import pytest
import torch
from torch.nn import functional as F

from ercfw import DataInfo, HeadOutput, InputError, Outputs, Rows, TargetSpec
from ercfw_basics.cross_entropy import AuxiliaryCrossEntropy, CrossEntropy, Focal
from ercfw_basics.supcon import SupCon

INFO = DataInfo({"emotion": TargetSpec(("neutral", "joy", "anger", "fear"), (50, 30, 20, 0))}, {}, 2)
BALANCED = [100 / (4 * 50), 100 / (4 * 30), 100 / (4 * 20), 0.0]
LOSSES = [
    lambda: CrossEntropy("emotion", INFO),
    lambda: CrossEntropy("emotion", INFO, class_weights="balanced", smoothing=0.1),
    lambda: Focal("emotion", INFO, gamma=0.5, class_weights="balanced"),
    lambda: SupCon("emotion", INFO),
]


def example(rows: int = 40, width: int = 4, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Logits or embeddings ``[N, width]`` float64, and labels, a fifth of them missing."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(rows, width, generator=generator, dtype=torch.float64) * 3
    label = torch.randint(4, (rows,), generator=generator)
    label[torch.rand(rows, generator=generator) < 0.2] = -100
    return x, label


def same(loss, reference, answer, x: torch.Tensor, label: torch.Tensor, embedding: bool = False) -> None:
    """Value and gradient of a loss in float32 are those of the reference in float64, to 1e-6."""
    mine = x.float().requires_grad_()
    theirs = mine.detach().double().requires_grad_()
    outputs = answer(torch.zeros(len(x), 4), mine) if embedding else answer(mine)
    given, expected = loss(outputs, {"emotion": label}), reference(theirs, label)
    assert given.shape == ()
    assert given.item() == pytest.approx(expected.item(), abs=1e-6, rel=1e-6)
    given.backward()
    expected.backward()
    torch.testing.assert_close(mine.grad.double(), theirs.grad, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 1.0])
@pytest.mark.parametrize("weights", ["none", "balanced", [1.0, 0.5, 2.0, 3.0]])
def test_cross_entropy_is_torchs(smoothing, weights, answer) -> None:
    numbers = {"none": None, "balanced": BALANCED}.get(weights, weights) if isinstance(weights, str) else weights
    loss = CrossEntropy("emotion", INFO, class_weights=weights, smoothing=smoothing)

    def reference(logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        weight = None if numbers is None else torch.tensor(numbers, dtype=torch.float64)
        return F.cross_entropy(logits, label, weight, label_smoothing=smoothing)

    same(loss, reference, answer, *example())


@pytest.mark.parametrize("weights", ["none", "balanced"])
def test_auxiliary_cross_entropy_is_the_sum_of_torchs(weights) -> None:
    loss = AuxiliaryCrossEntropy("emotion", INFO, class_weights=weights)
    (first, label), (second, _) = example(seed=0), example(seed=1)
    auxiliary = torch.stack([first, second], 1).requires_grad_()
    none = torch.zeros(len(label), dtype=torch.int64)
    outputs = Outputs({"emotion": HeadOutput(first, first, auxiliary)}, Rows(none, none, none, none))
    weight = torch.tensor(BALANCED, dtype=torch.float64) if weights == "balanced" else None
    expected = sum(F.cross_entropy(auxiliary[:, k], label, weight) for k in range(2))
    given = loss(outputs, {"emotion": label})
    assert given.item() == pytest.approx(expected.item(), rel=1e-6)
    wanted = torch.autograd.grad(expected, auxiliary)[0]
    torch.testing.assert_close(torch.autograd.grad(given, auxiliary)[0], wanted, atol=1e-7, rtol=1e-5)


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("weights", ["none", "balanced"])
def test_focal_row_by_row(gamma, weights, answer) -> None:
    loss = Focal("emotion", INFO, gamma=gamma, class_weights=weights)

    def reference(logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        total, count = torch.zeros((), dtype=torch.float64), 0.0
        for row, name in zip(logits, label.tolist(), strict=True):
            if name == -100:
                continue
            p = (row.exp() / row.exp().sum())[name]
            alpha = 1.0 if weights == "none" else BALANCED[name]
            total = total - alpha * (1 - p) ** gamma * p.log()
            count += alpha
        return total / count

    same(loss, reference, answer, *example())


@pytest.mark.parametrize("block", [1, 5, 512])
@pytest.mark.parametrize("temperature", [0.07, 0.1, 1.0])
def test_supcon_pair_by_pair(temperature, block, answer) -> None:
    def reference(z: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        rows = [(row / row.norm(), name) for row, name in zip(z, label.tolist(), strict=True) if name != -100]
        total = torch.zeros((), dtype=torch.float64)
        for i, (row, name) in enumerate(rows):
            others = [other for other in range(len(rows)) if other != i]
            positives = [p for p in others if rows[p][1] == name]
            if not positives:
                continue
            below = sum(math.e ** (row @ rows[a][0] / temperature) for a in others)
            shares = [math.e ** (row @ rows[p][0] / temperature) / below for p in positives]
            total = total - sum(share.log() for share in shares) / len(positives)
        return total / len(rows)

    x, label = example(rows=16, width=6)
    label[3], label[4:][label[4:] == 3] = 3, 2  # one row of a class of its own
    loss = SupCon("emotion", INFO, temperature=temperature, block=block)
    same(loss, reference, answer, x, label, embedding=True)
    x.requires_grad_()
    given, expected = loss(answer(torch.zeros(16, 4), x), {"emotion": label}), reference(x, label)
    torch.testing.assert_close(given, expected, rtol=1e-12, atol=1e-13)
    (mine,), (theirs,) = torch.autograd.grad(given, x), torch.autograd.grad(expected, x)
    torch.testing.assert_close(mine, theirs, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("make", LOSSES)
@pytest.mark.parametrize("rows", [1, 2, 7])
def test_nothing_labelled_is_zero_with_a_gradient_of_zero(make, rows, answer) -> None:
    x = torch.randn(rows, 4, requires_grad=True)
    given = make()(answer(x), {"emotion": torch.full((rows,), -100)})
    given.backward()
    assert given.item() == 0
    assert x.grad.eq(0).all()


@pytest.mark.parametrize("make", LOSSES)
@pytest.mark.parametrize("scale", [0.0, 1e-8, 1.0, 1e3])
@pytest.mark.parametrize(
    "label", [[0], [0, 0], [0, 1], [2, 2, 2, 2], [1, 1, 1, 2], [3, 3], [0, -100, 1, 1], [3, 1]], ids=str
)
@pytest.mark.parametrize("doubled", [False, True])
def test_extremes_stay_finite(make, scale, label, doubled, answer) -> None:
    x = torch.randn(len(label), 4, generator=torch.Generator().manual_seed(1)) * scale
    x = (x[:1].expand_as(x).clone() if doubled else x).requires_grad_()
    given = make()(answer(x), {"emotion": torch.tensor(label)})
    given.backward()
    assert given.isfinite()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
def test_focal_where_the_label_is_certain(gamma, answer) -> None:
    logits = torch.tensor([[200.0, 0, 0, 0], [-200.0, 0, 0, 0], [20.0, 0, 0, 0]], requires_grad=True)
    given = Focal("emotion", INFO, gamma=gamma)(answer(logits), {"emotion": torch.tensor([0, 0, 0])})
    given.backward()
    assert given.item() == pytest.approx((200 + math.log(3)) / 3, rel=1e-5)
    assert logits.grad.isfinite().all()


def test_classes_of_no_weight_only(answer) -> None:
    loss = CrossEntropy("emotion", INFO, class_weights="balanced")
    assert loss(answer(torch.randn(3, 4)), {"emotion": torch.tensor([3, 3, -100])}).item() == 0


def test_balanced_by_hand() -> None:
    loss = CrossEntropy("emotion", INFO, class_weights="balanced")
    torch.testing.assert_close(loss.weights, torch.tensor([0.5, 0.8333333, 1.25, 0.0]))


@pytest.mark.parametrize("loss", [CrossEntropy, Focal])
def test_wrong_class_weights_are_refused(loss) -> None:
    with pytest.raises(InputError, match=r"has 3 numbers for 4 classes .*neutral, joy, anger, fear"):
        loss("emotion", INFO, class_weights=[1.0, 2.0, 3.0])
    with pytest.raises(InputError, match="only zeros"):
        loss("emotion", INFO, class_weights=[0.0] * 4)


@pytest.mark.parametrize("make", LOSSES)
def test_losses_are_computed_in_float32_under_autocast(make, answer) -> None:
    x, label = example()
    x = x.bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        given = make()(answer(x), {"emotion": label})
    assert given.dtype == torch.float32
    assert given.item() == pytest.approx(make()(answer(x.float()), {"emotion": label}).item(), rel=1e-6)
