"""Soft-HGR against equation 20 (and the released computation) written out in loops, and at its extremes."""

from itertools import permutations

import pytest
import torch

from ercfw import DataInfo, HeadOutput, InputError, Outputs, Rows
from ercfw.contract.data_info import TargetSpec
from ercfw.testing.meta_device import META, run_on_meta
from ercfw_multiemo.soft_hgr import SoftHGR

INFO = DataInfo({"emotion": TargetSpec(("a", "b"), (3, 4))}, {}, 2)


def outputs_of(views: dict[str, torch.Tensor], present: dict[str, torch.Tensor] | None = None) -> Outputs:
    count = len(next(iter(views.values())))
    rows = torch.zeros(count, dtype=torch.int64)
    head = HeadOutput(torch.zeros(count, 2), torch.zeros(count, 2))
    here = present or {name: torch.ones(count, dtype=torch.bool) for name in views}
    return Outputs({"emotion": head}, Rows(rows, rows, rows, rows), views=views, present=here)


def paper_pair(q, v):
    """E[q . v] - 1/2 tr(cov(q) cov(v)) of centred features, entry by entry."""
    n, d = q.shape
    q, v = [row - sum(q) / n for row in q], [row - sum(v) / n for row in v]
    inner = sum(a @ b for a, b in zip(q, v, strict=True)) / n
    cov_q = [[sum(r[a] * r[b] for r in q) / (n - 1) for b in range(d)] for a in range(d)]
    cov_v = [[sum(r[a] * r[b] for r in v) / (n - 1) for b in range(d)] for a in range(d)]
    return inner - sum(cov_q[a][b] * cov_v[b][a] for a in range(d) for b in range(d)) / 2


def released_pair(q, v):
    """The release: torch.cov of [n, d], which takes the n utterances for variables."""
    n = len(q)
    return (q * v).sum() / n - torch.trace(torch.cov(q) @ torch.cov(v)) / (2 * n)


def soft_hgr_loops(views, present, pair, ordered):
    total = 0
    for a, b in permutations(views, 2):
        both = present[a] & present[b]
        if both.sum() > 1:
            total = total + pair(views[a][both], views[b][both])
    return -total / (1 if ordered else 2) / len(next(iter(views.values())))


@pytest.mark.parametrize("pairs", ["unordered", "ordered"])
@pytest.mark.parametrize(("form", "pair"), [("paper", paper_pair), ("release", released_pair)])
@pytest.mark.parametrize("alike", [True, False])
@pytest.mark.parametrize("names", [("text", "audio"), ("text", "audio", "visual"), ("text", "audio", "visual", "pose")])
def test_value_and_gradient_are_those_of_the_equation(form, pair, pairs, names, alike):
    """Whether all views lack the same utterances, or each its own."""
    torch.manual_seed(0)
    views = {m: torch.randn(9, 4, dtype=torch.float64, requires_grad=True) for m in names}
    once = torch.rand(9) < 0.8
    present = {m: once.clone() if alike else torch.rand(9) < 0.8 for m in names}
    mine = SoftHGR("emotion", INFO, form=form, pairs=pairs)(outputs_of(views, present), {})
    plain = soft_hgr_loops(views, present, pair, pairs == "ordered")
    torch.testing.assert_close(mine, plain, rtol=1e-12, atol=1e-13)
    a = torch.autograd.grad(mine, list(views.values()))
    b = torch.autograd.grad(plain, list(views.values()))
    for m, one, other in zip(names, a, b, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-13)
        assert one.any()
        assert not one[~present[m]].any()


def test_agreeing_views_score_better_than_unrelated_ones():
    torch.manual_seed(0)
    q, v = torch.randn(2, 200, 3) / 2
    loss = SoftHGR("emotion", INFO)
    assert loss(outputs_of({"a": q, "b": q}), {}) < loss(outputs_of({"a": q, "b": v}), {}) - 1e-3


def test_shifting_a_view_changes_nothing_in_the_papers_form():
    torch.manual_seed(0)
    q, v = torch.randn(2, 30, 3, dtype=torch.float64)
    loss = SoftHGR("emotion", INFO)
    torch.testing.assert_close(loss(outputs_of({"a": q + 7.0, "b": v}), {}), loss(outputs_of({"a": q, "b": v}), {}))


def absent(*pattern: int) -> torch.Tensor:
    return torch.tensor(pattern, dtype=torch.bool)


NOTHING = {
    "one utterance": ({"a": torch.ones(1, 3), "b": torch.ones(1, 3)}, None),
    "one view": ({"a": torch.randn(5, 3)}, None),
    "a view all absent": (
        {"a": torch.randn(3, 3), "b": torch.zeros(3, 3)},
        {"a": absent(1, 1, 1), "b": absent(0, 0, 0)},
    ),
    "one utterance in common": (
        {"a": torch.randn(3, 3), "b": torch.randn(3, 3)},
        {"a": absent(1, 1, 0), "b": absent(0, 1, 1)},
    ),
}


@pytest.mark.parametrize("form", ["paper", "release"])
@pytest.mark.parametrize("case", NOTHING)
def test_nothing_to_compare_is_exactly_zero_with_zero_gradient(case, form):
    views, present = NOTHING[case]
    views = {m: view.clone().requires_grad_() for m, view in views.items()}
    loss = SoftHGR("emotion", INFO, form=form)(outputs_of(views, present), {})
    loss.backward()
    assert loss.item() == 0.0
    for view in views.values():
        assert view.grad is not None
        assert not view.grad.any()


EXTREMES = {
    "huge": {"a": torch.randn(5, 64) * 1e3, "b": torch.randn(5, 64) * 1e3},
    "duplicates": {"a": torch.ones(4, 3), "b": torch.ones(4, 3)},
    "two utterances": {"a": torch.randn(2, 3), "b": torch.randn(2, 3)},
    "one feature": {"a": torch.randn(4, 1), "b": torch.randn(4, 1)},
}


@pytest.mark.parametrize("form", ["paper", "release"])
@pytest.mark.parametrize("case", EXTREMES)
def test_values_and_gradients_stay_finite(case, form):
    views = {m: view.clone().requires_grad_() for m, view in EXTREMES[case].items()}
    loss = SoftHGR("emotion", INFO, form=form)(outputs_of(views), {})
    loss.backward()
    assert loss.isfinite()
    assert all(view.grad is not None and view.grad.isfinite().all() for view in views.values())


def test_views_of_different_widths_are_refused():
    views = {"text": torch.zeros(3, 4), "audio": torch.zeros(3, 5)}
    with pytest.raises(InputError, match=r"text 4, audio 5"):
        SoftHGR("emotion", INFO)(outputs_of(views), {})


def test_bfloat16_is_computed_in_float32_under_autocast():
    torch.manual_seed(0)
    views = {m: torch.randn(12, 6).bfloat16() for m in "ab"}
    loss = SoftHGR("emotion", INFO)
    with torch.autocast("cpu", torch.bfloat16):
        half = loss(outputs_of(views), {})
    full = loss(outputs_of({m: view.float() for m, view in views.items()}), {})
    torch.testing.assert_close(half, full, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("form", ["paper", "release"])
def test_nothing_waits_for_the_device(form):
    """A tensor that is elsewhere has no values: reading one, or a shape that depends on one, raises."""
    views = {m: torch.randn(12, 6, device=META, requires_grad=True) for m in "abc"}
    present = {m: torch.rand(12, device=META) < 0.8 for m in views}
    loss = SoftHGR("emotion", INFO, form=form)
    run_on_meta(lambda: loss(outputs_of(views, present), {}).backward())
    assert all(view.grad is not None for view in views.values())
