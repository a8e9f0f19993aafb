"""The distillation loss, beside PyTorch's divergence and a loop."""

import math

import pytest
import torch
from torch.nn import functional as F

from ercfw import UNLABELLED, HeadOutput, Outputs, Rows
from ercfw.testing.loss_checks import LossSubject
from ercfw_basics.distillation import Distillation

INFO = LossSubject(Distillation).info


def outputs(student, teacher):
    none = torch.full((len(student),), -1)
    return Outputs({"emotion": HeadOutput(student, student, teacher=teacher)}, Rows(none, none, none, none), {}, {})


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_it_is_the_divergence_by_hand(temperature):
    torch.manual_seed(0)
    student, teacher = torch.randn(5, 3), torch.randn(5, 3)
    labels = torch.tensor([0, UNLABELLED, 2, 1, 0])
    found = Distillation("emotion", INFO, temperature=temperature)(outputs(student, teacher), {"emotion": labels})
    total = 0.0
    for row in (0, 2, 3, 4):
        t = [math.exp(x / temperature) for x in teacher[row].tolist()]
        s = [math.exp(x / temperature) for x in student[row].tolist()]
        for k in range(3):
            total += t[k] / sum(t) * math.log((t[k] / sum(t)) / (s[k] / sum(s)))
    assert float(found) == pytest.approx(temperature**2 * total / 4, rel=1e-5)
    here = labels != UNLABELLED
    torch_s = F.kl_div(
        (student[here] / temperature).log_softmax(-1), (teacher[here] / temperature).softmax(-1), reduction="batchmean"
    )
    assert float(found) == pytest.approx(temperature**2 * float(torch_s), rel=1e-5)


def test_a_student_that_says_the_same_is_done():
    logits = torch.randn(4, 3)
    loss = Distillation("emotion", INFO)
    assert float(loss(outputs(logits, logits + 5), {"emotion": torch.zeros(4, dtype=torch.long)})) == pytest.approx(
        0, abs=1e-6
    )
