"""DialogueGCN against its equations edge by edge, and its graph counted by hand."""

import numpy as np
import pytest
import torch

from ercfw import Inputs
from ercfw.data.collate import make_layout
from ercfw_baselines.dialogue_gcn import DialogueGCN, Window

from .rows import talks


def graph_loops(block, x, inputs, past, future, attention, relu):
    """Every utterance, every neighbour, one after another."""
    weights = torch.einsum("rb,bdh->rdh", block.of_relation, block.bases)  # [relations, D, width]
    slots, bend = block.slots, torch.relu if relu else (lambda y: y)
    first, result = {}, {}
    for rows in talks(inputs):
        near = {i: [j for j in rows if i - past <= j <= i + future] for i in rows}
        kind = {
            (i, j): 2 * (slots * int(inputs.speakers[i]) + int(inputs.speakers[j])) + int(j > i)
            for i in rows
            for j in near[i]
        }
        for i in rows:
            asks = {
                "bilinear": lambda i=i: block.asks(x[i]),
                "positional": lambda i=i, rows=rows: block.asks.weight[min(i - rows[0], block.last)],
                "none": lambda i=i: torch.zeros_like(x[i]),
            }[attention]()
            shares = torch.stack([asks @ x[j] for j in near[i]]).softmax(0)
            total = block.itself(x[i])
            for share, j in zip(shares, near[i], strict=True):
                alike = sum(kind[i, k] == kind[i, j] for k in near[i])
                total = total + share / alike * (x[j] @ weights[kind[i, j]])
            first[i] = bend(total)
        for i in rows:
            around = sum(block.second(first[j]) for j in near[i])
            result[i] = torch.cat([x[i], bend(around + block.second_itself(first[i]))])
    return torch.stack([result[i] for i in range(len(x))])


@pytest.mark.parametrize("attention", ["bilinear", "positional", "none"])
@pytest.mark.parametrize(("past", "future", "relu"), [(2, 1, True), (0, 0, True), (9, 9, False), (1, 3, False)])
def test_value_and_gradient_edge_by_edge(attention, past, future, relu, made, drawn):
    _, inputs, info = made(("text",), sizes=(5, 1, 7), absent=0)
    options = {"width": 4, "bases": 3, "most_positions": 5}
    block = DialogueGCN(6, info, past=past, future=future, edge_attention=attention, relu=relu, **options)
    block = drawn(block)
    x = inputs.streams["text"].values.requires_grad_()
    expected = graph_loops(block, x, inputs, past, future, attention, relu)
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
