"""The scan's backward by hand, against the plain loop that autograd differentiates, and against finite differences."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from ercfw.contract.batch import Inputs
from ercfw.data.collate import make_layout
from ercfw_basics.dialogue_rnn import plain, side_by_side
from ercfw_basics.dialogue_rnn.network import Kind, Network
from ercfw_basics.dialogue_rnn.order import Order

STATM = Path("/proc/self/statm")
SIZES = {"alone": [5], "unlike": [1, 6, 3, 3, 1], "ones": [1, 1], "many": [4] * 11}


def made(kind, sizes, speakers=3):
    """Networks of one kind in both directions, twice, and a batch."""
    torch.manual_seed(0)
    numbers = np.random.default_rng(0)
    who = [numbers.integers(speakers, size=size) for size in sizes]
    layout = make_layout(sizes, who)
    inputs = Inputs({}, layout, torch.from_numpy(np.concatenate(who)))
    reverse = [False, True, False, True]
    networks = nn.ModuleList(Network(kind) for _ in reverse).double()
    x = torch.randn(sum(sizes), len(reverse), kind.dim, dtype=torch.float64, requires_grad=True)
    return networks, x, inputs, reverse


@pytest.mark.parametrize("attention", ["simple", "general"])
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_values_and_every_gradient_are_the_plain_loops(attention, sizes):
    kind = Kind(dim=5, width=4, attention=attention, listener=False, dropout=0.0, bidirectional=True, emotion_width=3)
    networks, x, inputs, reverse = made(kind, sizes)
    leaves = [x, *networks.parameters()]
    order = Order.of(inputs.layout, reverse)
    expected = plain.run_all(list(networks), x, inputs, order, 0.0)
    weight = torch.randn_like(expected)
    wanted = torch.autograd.grad((expected * weight).sum(), leaves, allow_unused=True, materialize_grads=True)
    given = side_by_side.run(list(networks), x, order, 0.0)
    torch.testing.assert_close(given, expected, rtol=0, atol=1e-14)
    found = torch.autograd.grad((given * weight).sum(), leaves, allow_unused=True, materialize_grads=True)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-13)


@pytest.mark.slow
@pytest.mark.parametrize("attention", ["simple", "general"])
def test_gradients_with_dropout_are_those_of_finite_differences(attention):
    kind = Kind(dim=2, width=3, attention=attention, listener=False, dropout=0.4, bidirectional=False, emotion_width=3)
    networks, x, inputs, reverse = made(kind, [3, 1, 2])
    order = Order.of(inputs.layout, reverse)
    named = dict(networks[0].named_parameters())

    def answer(x, *weights):
        torch.manual_seed(7)  # the same is dropped each time
        for name, weight in zip(named, weights, strict=True):
            part = networks[0].get_submodule(name.rpartition(".")[0])
            delattr(part, name.rpartition(".")[2])
            setattr(part, name.rpartition(".")[2], weight)
        return side_by_side.run(list(networks), x, order, 0.4)

    assert torch.autograd.gradcheck(answer, (x, *named.values()))


def test_what_is_dropped_is_zero_and_the_rest_is_scaled():
    kind = Kind(dim=3, width=50, attention="simple", listener=False, dropout=0.5, bidirectional=False, emotion_width=50)
    networks, x, inputs, reverse = made(kind, [1] * 40)
    order = Order.of(inputs.layout, reverse)
    whole = side_by_side.run(list(networks), x, order, 0.0)
    torch.manual_seed(1)
    some = side_by_side.run(list(networks), x, order, 0.5)
    assert (some == 0).double().mean().item() == pytest.approx(0.5, abs=0.03)
    assert not torch.allclose(some[some != 0], 2 * whole[some != 0])  # the speaker's state was dropped out too
    torch.manual_seed(1)
    assert torch.equal(some, side_by_side.run(list(networks), x, order, 0.5))


def test_an_evaluation_without_gradients_is_the_same():
    kind = Kind(dim=4, width=4, attention="simple", listener=False, dropout=0.3, bidirectional=True, emotion_width=4)
    networks, x, inputs, reverse = made(kind, [2, 5, 3])
    order = Order.of(inputs.layout, reverse)
    with torch.no_grad():
        quiet = side_by_side.run(list(networks), x, order, 0.0)
    assert torch.equal(quiet, side_by_side.run(list(networks), x, order, 0.0))


def test_an_order_visits_every_row_once_and_goes_on_from_the_same_speaker():
    layout = make_layout([3, 1, 4], [np.array(who) for who in ([0, 1, 0], [0], [0, 1, 1, 0])])
    order = Order.of(layout, [False, True])
    assert order.sizes == [3, 2, 2, 1]
    assert order.rows.T.tolist() == [[4, 0, 3, 5, 1, 6, 2, 7], [7, 2, 3, 6, 1, 5, 0, 4]]
    assert order.places.gather(0, order.rows).T.tolist() == [list(range(8))] * 2
    of_conversation, of_speaker = order.earlier[:, 0].T.tolist()
    assert of_conversation == [0, 0, 0, 1, 2, 4, 5, 6]
    assert of_speaker == [0, 0, 0, 0, 0, 4, 2, 1]


def test_a_second_backward_gives_the_same():
    for attention in ("simple", "general"):
        kind = Kind(
            dim=4, width=4, attention=attention, listener=False, dropout=0.0, bidirectional=True, emotion_width=4
        )
        networks, x, inputs, reverse = made(kind, [2, 5, 3])
        result = side_by_side.run(list(networks), x, Order.of(inputs.layout, reverse), 0.0).square().sum()
        leaves = [x, *networks.parameters()]
        once = torch.autograd.grad(result, leaves, retain_graph=True, materialize_grads=True)
        twice = torch.autograd.grad(result, leaves, materialize_grads=True)
        assert all(torch.equal(one, other) for one, other in zip(once, twice, strict=True))


def test_weights_learn_where_the_input_wants_no_gradient():
    kind = Kind(dim=4, width=4, attention="simple", listener=False, dropout=0.0, bidirectional=True, emotion_width=4)
    networks, x, inputs, reverse = made(kind, [2, 5, 3])
    order = Order.of(inputs.layout, reverse)
    weights = list(networks.parameters())
    wanted = torch.autograd.grad(side_by_side.run(list(networks), x, order, 0.0).square().sum(), weights)
    given = side_by_side.run(list(networks), x.detach(), order, 0.0).square().sum()
    assert all(map(torch.equal, torch.autograd.grad(given, weights), wanted))


@pytest.mark.parametrize("attention", ["simple", "general"])
def test_gradients_under_autocast_are_near(attention):
    kind = Kind(
        dim=32, width=32, attention=attention, listener=False, dropout=0.0, bidirectional=True, emotion_width=32
    )
    networks, x, inputs, reverse = made(kind, [9, 4, 12, 1])
    networks, x = networks.float(), x.detach().float().requires_grad_()
    leaves, order = [x, *networks.parameters()], Order.of(inputs.layout, reverse)
    weight = torch.randn(*x.shape[:2], kind.width)
    exact = side_by_side.run(list(networks), x, order, 0.0)
    with torch.autocast("cpu", torch.bfloat16):
        near = side_by_side.run(list(networks), x, order, 0.0)
    assert near.dtype == torch.float32  # the states
    torch.testing.assert_close(near, exact, rtol=0, atol=0.02)
    wanted = torch.autograd.grad((exact * weight).sum(), leaves)
    for one, other in zip(torch.autograd.grad((near * weight).sum(), leaves), wanted, strict=True):
        assert one.dtype == other.dtype
        assert (one - other).norm() < 0.03 * other.norm()


@pytest.mark.slow
@pytest.mark.skipif(not STATM.exists(), reason="how much memory is held is read from Linux")
@pytest.mark.parametrize("attention", ["simple", "general"])
def test_memory_grows_with_the_length_of_a_conversation_and_not_its_square(attention):
    length, width = 2000, 64
    kind = Kind(
        dim=4, width=width, attention=attention, listener=False, dropout=0.0, bidirectional=False, emotion_width=width
    )
    networks, x, inputs, _ = made(kind, [length])
    before = held()
    result = side_by_side.run(list(networks)[:1], x[:, :1], Order.of(inputs.layout, [False]), 0.0)
    assert held() - before < length * length * width * x.element_size() / 8
    result.sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in networks[0].parameters())


def held():
    """Bytes that the process has in memory now."""
    return int(STATM.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
