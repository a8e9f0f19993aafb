"""SWFC against equations 18-19 written out in loops, and at its extremes."""

import functools
import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ercfw import UNLABELLED, DataInfo, HeadOutput, Outputs, Rows
from ercfw.contract.data_info import TargetSpec
from ercfw.testing.meta_device import META, run_on_meta
from ercfw_basics.blocks import contrastive
from ercfw_multiemo.swfc import SWFC

COUNTS = (60, 25, 10, 5)
INFO = DataInfo({"emotion": TargetSpec(("a", "b", "c", "d"), COUNTS)}, {}, 2)


def outputs_of(z: torch.Tensor) -> Outputs:
    rows = torch.zeros(len(z), dtype=torch.int64)
    logits = z.new_zeros(len(z), 4, requires_grad=True)
    return Outputs({"emotion": HeadOutput(logits, z)}, Rows(rows, rows, rows, rows))


def class_weights(counts, alpha, weight_norm) -> torch.Tensor:
    weights = [(sum(counts) / n) ** alpha if n else 0.0 for n in counts]
    return torch.tensor([w / sum(weights) if weight_norm else w for w in weights], dtype=torch.float64)


def swfc_loops(z, y, weights, tau, gamma, normalise):
    """Equations 18 and 19, term by term, over the labelled rows."""
    rows = [i for i, label in enumerate(y.tolist()) if label != UNLABELLED]
    unit = {i: z[i] / z[i].norm() if normalise else z[i] for i in rows}
    total = z.sum() * 0
    for i in rows:
        others = [k for k in rows if k != i]
        alike = [k for k in others if y[k] == y[i]]
        if not alike:
            continue
        scores = torch.stack([unit[i] @ unit[k] / tau for k in others])
        log_total = scores.logsumexp(0)
        for j in alike:
            log_s = unit[i] @ unit[j] / tau - log_total
            total = total - weights[y[i]] / len(alike) * (1 - log_s.exp()) ** gamma * log_s
    return total / len(rows)


@functools.cache
def fourteen_rows_by_loops(gamma, normalise, weight_norm):
    """Rows, labels, class weights, the loss and three times its gradient: the loops are slow, and know no blocks."""
    torch.manual_seed(0)
    z = torch.randn(14, 5, dtype=torch.float64, requires_grad=True)
    y = torch.tensor([0, 1, 0, 2, UNLABELLED, 1, 0, 0, 3, 1, 2, UNLABELLED, 0, 1])
    exact = class_weights(COUNTS, 1.1, weight_norm)
    plain = swfc_loops(z, y, exact, 0.8, gamma, normalise)
    (gradient,) = torch.autograd.grad(3 * plain, z)
    return z, y, exact, plain.detach(), gradient


@pytest.mark.parametrize("few", [1, 4, contrastive.FEW])
@pytest.mark.parametrize("block", [1, 5, 14, 512])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize(
    ("options", "normalise", "weight_norm"),
    [
        ({"form": "paper"}, False, False),
        ({"form": "release"}, True, True),
        ({"form": "paper", "normalise": True}, True, False),
        ({"form": "release", "normalise": False}, False, True),
        ({"form": "release", "weight_norm": False}, True, False),
    ],
)
def test_value_and_gradient_are_those_of_the_equations(monkeypatch, few, block, gamma, options, normalise, weight_norm):
    monkeypatch.setattr(contrastive, "FEW", few)  # so that these few rows are several runs
    z, y, exact, plain, b = fourteen_rows_by_loops(gamma, normalise, weight_norm)
    loss = SWFC("emotion", INFO, temperature=0.8, focus=gamma, balance=1.1, block=block, **options).double()
    torch.testing.assert_close(loss.class_weights, exact, rtol=1e-7, atol=0)
    loss.class_weights = exact  # the loss keeps them in float32
    mine = loss(outputs_of(z), {"emotion": y})
    torch.testing.assert_close(mine, plain, rtol=1e-12, atol=1e-13)
    (a,) = torch.autograd.grad(3 * mine, z)
    torch.testing.assert_close(a, b, rtol=1e-11, atol=1e-13)
    assert a.abs().max() > 1e-4
    assert not a[y == UNLABELLED].any()
    with torch.no_grad():
        assert torch.equal(loss(outputs_of(z), {"emotion": y}), mine)


def test_a_hand_worked_batch():
    """Three unit vectors: two of class 0 at right angles, one of class 1 opposite to the first."""
    z = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]])
    info = DataInfo({"emotion": TargetSpec(("a", "b"), (1, 1))}, {}, 2)
    loss = SWFC("emotion", info, temperature=1.0, focus=1.0, balance=1.0, form="paper")
    s_01 = 1 / (1 + math.exp(-1))  # z_0 . z_1 = 0, z_0 . z_2 = -1
    s_10 = 0.5  # z_1 . z_0 = z_1 . z_2 = 0
    expected = -2 * ((1 - s_01) * math.log(s_01) + (1 - s_10) * math.log(s_10)) / 3
    assert loss(outputs_of(z), {"emotion": torch.tensor([0, 0, 1])}).item() == pytest.approx(expected, rel=1e-6)


EXTREMES = {
    "huge": (torch.randn(8, 4, generator=torch.Generator().manual_seed(1)) * 1e3, [0, 1, 0, 1, 2, 2, 3, 0]),
    "duplicates": (torch.ones(6, 4), [0, 0, 1, 1, 2, 2]),
    "huge duplicates": (torch.full((4, 4), 1e3), [0, 0, 1, 1]),
    "zero vectors": (torch.zeros(4, 4), [0, 0, 1, 1]),
    "two alike": (torch.tensor([[1.0, 2.0], [3.0, 4.0]]), [0, 0]),
    "two unlike": (torch.tensor([[1.0, 2.0], [3.0, 4.0]]), [0, 1]),
    "one": (torch.ones(1, 4), [0]),
    "a class alone": (torch.randn(3, 4, generator=torch.Generator().manual_seed(2)), [0, 0, 3]),
    "one class only": (torch.randn(5, 4, generator=torch.Generator().manual_seed(3)), [1] * 5),
    "nothing labelled": (torch.ones(4, 4), [UNLABELLED] * 4),
}


@pytest.mark.parametrize("block", [2, 512])
@pytest.mark.parametrize("form", ["paper", "release"])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("case", EXTREMES)
def test_values_and_gradients_stay_finite(case, gamma, form, block):
    values, y = EXTREMES[case]
    z = values.clone().requires_grad_()
    loss = SWFC("emotion", INFO, focus=gamma, form=form, block=block)(outputs_of(z), {"emotion": torch.tensor(y)})
    loss.backward()
    assert loss.isfinite()
    assert z.grad is not None
    assert z.grad.isfinite().all()
    if case in ("one", "two unlike", "nothing labelled"):
        assert loss.item() == 0.0
        assert not z.grad.any()
    if case == "two alike":  # the only other one is of the same class: s = 1
        assert loss.item() == pytest.approx(0.0, abs=1e-7)


def test_classes_without_training_utterances_neither_count_nor_disturb():
    info = DataInfo({"emotion": TargetSpec(("a", "b", "c"), (30, 10, 0))}, {}, 2)
    loss = SWFC("emotion", info)
    assert loss.class_weights.isfinite().all()
    assert loss.class_weights[2] == 0
    assert loss.class_weights.sum().item() == pytest.approx(1.0)
    assert loss.class_weights[1] / loss.class_weights[0] == pytest.approx(3**1.2, rel=1e-5)
    empty = SWFC("emotion", DataInfo({"emotion": TargetSpec(("a", "b"), (0, 0))}, {}, 2))
    assert not empty.class_weights.any()


def test_the_order_of_rows_does_not_matter():
    torch.manual_seed(0)
    z, y = torch.randn(20, 6), torch.randint(0, 4, (20,))
    order = torch.randperm(20)
    loss = SWFC("emotion", INFO)
    once = loss(outputs_of(z), {"emotion": y})
    torch.testing.assert_close(loss(outputs_of(z[order]), {"emotion": y[order]}), once)


def test_bfloat16_is_computed_in_float32_under_autocast():
    torch.manual_seed(0)
    z, y = (torch.randn(12, 6) * 10).bfloat16(), torch.randint(0, 3, (12,))
    loss = SWFC("emotion", INFO, form="paper")
    with torch.autocast("cpu", torch.bfloat16):
        half = loss(outputs_of(z), {"emotion": y})
    torch.testing.assert_close(half, loss(outputs_of(z.float()), {"emotion": y}), rtol=1e-6, atol=1e-6)


class Largest(TorchDispatchMode):
    """The most numbers that one tensor held."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        made = func(*args, **(kwargs or {}))
        if isinstance(made, torch.Tensor):
            self.numbers = max(self.numbers, made.untyped_storage().size() // made.element_size())
        return made


@pytest.mark.parametrize(("block", "most"), [(64, 64 * 256), (256, 256 * 256)])
def test_the_block_bounds_the_memory(block, most):
    z, y = torch.randn(256, 3, requires_grad=True), torch.arange(256) % 4
    with Largest() as largest:
        SWFC("emotion", INFO, block=block)(outputs_of(z), {"emotion": y}).backward()
    assert largest.numbers == most


def test_nothing_waits_for_the_device():
    """A tensor that is elsewhere has no values: reading one, or a shape that depends on one, raises."""
    z = torch.randn(20, 3, device=META, requires_grad=True)
    targets = {"emotion": torch.randint(-1, 4, (20,), device=META)}
    loss = SWFC("emotion", INFO).to(META)
    run_on_meta(lambda: loss(outputs_of(z), targets).backward())
    assert z.grad is not None
