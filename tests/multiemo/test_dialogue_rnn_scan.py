"""The scan's backward by hand, against the plain loop that autograd differentiates, and against finite differences."""

import numpy as np
import pytest
import torch
from torch import nn

from ercfw.batch import Inputs
from ercfw.collate import make_layout
from ercfw_basics.dialogue_rnn import plain, side_by_side
from ercfw_basics.dialogue_rnn.network import Kind, Network
from ercfw_basics.dialogue_rnn.order import Order

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
    kind = Kind(dim=5, width=4, attention=attention, listener=False, dropout=0.0, bidirectional=True)
    networks, x, inputs, reverse = made(kind, sizes)
    leaves = [x, *networks.parameters()]
    expected = plain.run_all(list(networks), x, inputs, reverse, 0.0)
    weight = torch.randn_like(expected)
    wanted = torch.autograd.grad((expected * weight).sum(), leaves, allow_unused=True, materialize_grads=True)
    given = side_by_side.run(list(networks), x, Order.of(inputs.layout, reverse), 0.0)
    torch.testing.assert_close(given, expected, rtol=0, atol=1e-14)
    found = torch.autograd.grad((given * weight).sum(), leaves, allow_unused=True, materialize_grads=True)
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("attention", ["simple", "general"])
def test_gradients_with_dropout_are_those_of_finite_differences(attention):
    kind = Kind(dim=2, width=3, attention=attention, listener=False, dropout=0.4, bidirectional=False)
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
    kind = Kind(dim=3, width=50, attention="simple", listener=False, dropout=0.5, bidirectional=False)
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
    kind = Kind(dim=4, width=4, attention="simple", listener=False, dropout=0.3, bidirectional=True)
    networks, x, inputs, reverse = made(kind, [2, 5, 3])
    order = Order.of(inputs.layout, reverse)
    with torch.no_grad():
        quiet = side_by_side.run(list(networks), x, order, 0.0)
    assert torch.equal(quiet, side_by_side.run(list(networks), x, order, 0.0))


def test_every_row_has_a_place_and_empty_places_are_few():
    sizes = list(range(1, 34)) * 3
    layout = make_layout(sizes, [np.zeros(size, np.int64) for size in sizes])
    order = Order.of(layout, [False, True])
    rows = order.rows[order.rows > 0]
    assert sorted(rows.tolist()) == sorted(2 * list(range(1, sum(sizes) + 1)))
    assert sum(order.sizes) < 1.13 * sum(sizes)
    assert order.sizes == sorted(order.sizes, reverse=True)
