"""DialogueGCN against its equations and its released code edge by edge, and its graph counted by hand."""

import numpy as np
import pytest
import torch

from ercfw import Inputs
from ercfw.data.collate import make_layout
from ercfw_baselines.dialogue_gcn import DialogueGCN, Window
from ercfw_baselines.dialogue_gcn_released import DialogueGCNReleased

from .rows import talks


def graph_loops(block, x, inputs, past, future, attention):
    """The paper's equations: every utterance, every neighbour, one after another."""
    weights = torch.einsum("rb,bdh->rdh", block.of_relation, block.bases)  # [relations, D, width]
    slots = block.slots
    first, result = {}, {}
    for rows in talks(inputs):
        near = {i: [j for j in rows if i - past <= j <= i + future] for i in rows}
        kind = {
            (i, j): 2 * (slots * int(inputs.speakers[i]) + int(inputs.speakers[j])) + int(j > i)
            for i in rows
            for j in near[i]
        }
        for i in rows:
            asks = block.asks(x[i]) if attention == "bilinear" else torch.zeros_like(x[i])
            shares = torch.stack([asks @ x[j] for j in near[i]]).softmax(0)
            total = block.bias + shares[near[i].index(i)] * (block.itself.weight @ x[i])
            for share, j in zip(shares, near[i], strict=True):
                alike = sum(kind[i, k] == kind[i, j] for k in near[i])
                total = total + share / alike * (x[j] @ weights[kind[i, j]])
            first[i] = total.relu()
        for i in rows:
            around = sum(block.second(first[j]) for j in near[i])
            result[i] = torch.cat([x[i], (around + block.second_itself(first[i])).relu()])
    return torch.stack([result[i] for i in range(len(x))])


def released_loops(block, x, inputs, past, future):
    """The released code: a list of edges from sender to reader, and a message along each of them."""
    weights = torch.einsum("rb,bdh->rdh", block.of_relation, block.bases)  # [relations, D, width]
    first = [block.itself(row) for row in x]
    edges = []
    for rows in talks(inputs):
        for place, sender in enumerate(rows):
            readers = rows[max(0, place - past) : place + future + 1]
            vector = block.asks.weight[min(place, block.last)]
            likely = [(vector @ x[reader]).exp() for reader in readers]
            for reader, one in zip(readers, likely, strict=True):
                speakers = block.slots * int(inputs.speakers[sender]) + int(inputs.speakers[reader])
                sent = x[sender] @ weights[2 * speakers + int(sender < reader)]
                first[reader] = first[reader] + one / sum(likely) * sent
                edges.append((sender, reader))
    second = [block.second_itself(row) for row in first]
    for sender, reader in edges:
        second[reader] = second[reader] + block.second.weight @ first[sender]
    return torch.cat([x, torch.stack(second)], 1)


def compare(block, x, inputs, expected):
    """The value, and the gradients with respect to the input and all parameters."""
    given = block(x, inputs)
    torch.testing.assert_close(given, expected, atol=1e-12, rtol=1e-12)
    weight = torch.randn_like(expected)
    leaves = [x, *block.parameters()]
    wanted, found = (
        torch.autograd.grad((y * weight).sum(), leaves, allow_unused=True, materialize_grads=True)
        for y in (expected, given)
    )
    for one, other in zip(found, wanted, strict=True):
        torch.testing.assert_close(one, other, atol=1e-10, rtol=1e-10)


SPANS = pytest.mark.parametrize(("past", "future"), [(2, 1), (0, 0), (9, 9), (1, 3)])


@SPANS
@pytest.mark.parametrize("attention", ["bilinear", "none"])
def test_value_and_gradient_edge_by_edge(attention, past, future, made, drawn):
    _, inputs, info = made(("text",), sizes=(5, 1, 7), absent=0)
    block = drawn(DialogueGCN(6, info, past=past, future=future, edge_attention=attention, width=4, bases=3))
    x = inputs.streams["text"].values.requires_grad_()
    compare(block, x, inputs, graph_loops(block, x, inputs, past, future, attention))


@SPANS
def test_the_released_code_edge_by_edge(past, future, made, drawn):
    _, inputs, info = made(("text",), sizes=(5, 1, 7), absent=0)
    block = drawn(DialogueGCNReleased(6, info, past=past, future=future, width=4, bases=3, most_positions=5))
    x = inputs.streams["text"].values.requires_grad_()
    compare(block, x, inputs, released_loops(block, x, inputs, past, future))


def test_a_released_window_says_who_is_written_to(made, drawn):
    """The first layer reads the senders: with ``past`` = 1 and ``future`` = 2, two before and one after."""
    _, inputs, info = made(("text",), sizes=(9,), absent=0)
    block = drawn(DialogueGCNReleased(6, info, past=1, future=2, width=3))
    with torch.no_grad():
        block.second.weight.zero_()
        block.asks.weight.zero_()
    x = inputs.streams["text"].values
    changed = x.clone()
    changed[4] += 1
    moved = (block(x, inputs) - block(changed, inputs)).abs().amax(1) > 1e-9
    assert moved.nonzero().flatten().tolist() == [3, 4, 5, 6]


def test_edges_and_relations_of_a_small_conversation_counted_by_hand():
    who = np.array([0, 1, 0])
    inputs = Inputs({}, make_layout([3], [who]), torch.from_numpy(who))
    window = Window.of(inputs, past=1, future=1, slots=2)
    assert window.real.tolist() == [[False, True, True], [True, True, True], [True, True, False]]
    # Of speakers (i, j): (0, 0) is 0 or 1 if later, (0, 1) 2 or 3, (1, 0) 4 or 5, (1, 1) 6 or 7.
    edges = {(i, int(window.rows[i, w])): int(window.relation[i, w]) for i in range(3) for w in range(3)
             if window.real[i, w]}  # fmt: skip
    assert edges == {(0, 0): 0, (0, 1): 3, (1, 0): 4, (1, 1): 6, (1, 2): 5, (2, 1): 2, (2, 2): 0}


def test_nothing_beyond_the_window_is_read_in_one_layer_and_twice_as_far_in_both(made, drawn):
    _, inputs, info = made(("text",), sizes=(9,), absent=0)
    block = drawn(DialogueGCN(6, info, past=1, future=2, width=3))
    x = inputs.streams["text"].values
    changed = x.clone()
    changed[4] += 1
    moved = (block(x, inputs) - block(changed, inputs)).abs().amax(1) > 1e-9
    assert moved.nonzero().flatten().tolist() == [0, 1, 2, 3, 4, 5, 6]
