"""R-Drop beside a loop, and without a second pass."""

import math

import pytest
import torch

from ercfw_basics.cross_entropy import CrossEntropy
from ercfw_basics.r_drop import RDrop
from tests.plugins.basics.made_outputs import INFO, LABELS, ROWS, check_gradients, draw, outputs_of


def log_softmax(logits):
    total = math.log(sum(map(math.exp, logits)))
    return [x - total for x in logits]


@pytest.mark.parametrize("alpha", [0.0, 0.7, 5.0])
def test_it_is_equation_4_by_hand(alpha):
    one, two = draw(ROWS, 3), draw(ROWS, 3, seed=1)
    values = []
    for row, label in enumerate(LABELS.tolist()):
        if label >= 0:
            p, q = log_softmax(one[row].tolist()), log_softmax(two[row].tolist())
            forth = sum(math.exp(a) * (a - b) for a, b in zip(p, q, strict=True))
            back = sum(math.exp(b) * (b - a) for a, b in zip(p, q, strict=True))
            values.append(-p[label] / 2 - q[label] / 2 + alpha / 2 * (forth + back) / 2)
    loss = RDrop("emotion", INFO, alpha=alpha)

    def of(one, two):
        return loss(outputs_of(one, second=outputs_of(two)), {"emotion": LABELS})

    assert of(one, two).item() == pytest.approx(sum(values) / len(values), abs=1e-9)
    check_gradients(of, one, two)


@pytest.mark.parametrize("class_weights", ["none", "balanced"])
def test_without_a_second_pass_it_is_cross_entropy(class_weights):
    outputs = outputs_of(draw(ROWS, 3).float())
    wanted = CrossEntropy("emotion", INFO, class_weights=class_weights)(outputs, {"emotion": LABELS})
    found = RDrop("emotion", INFO, alpha=3.0, class_weights=class_weights)(outputs, {"emotion": LABELS})
    assert found.item() == pytest.approx(wanted.item(), abs=1e-6)


def test_nothing_labelled():
    logits = draw(ROWS, 3)
    found = RDrop("emotion", INFO)(outputs_of(logits), {"emotion": torch.full_like(LABELS, -100)})
    found.backward()
    assert found.item() == 0.0
    assert not logits.grad.any()
