"""Made-up outputs and labels of a batch, as losses get them."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from ercfw.contract.batch import HeadOutput, Outputs, TeacherOutput, map_tensors
from ercfw.contract.targets import Target
from ercfw.contract.widths import TeacherWidths, Widths
from ercfw.testing.fixtures import DIMS, TARGET, TARGETS
from ercfw.testing.made_rows import made_classes, made_rows
from ercfw.testing.made_targets import in_form

ROWS, WIDTH = 12, 5
"""Utterances, and the width of embeddings and views."""
PENALTY = "penalty"
"""The name of an extra ``[N]``."""
TEACHER = "runs/teacher"
"""The path of the teacher's run."""
KNOWN = ("views", "embedding", "auxiliary", "teacher", "teacher.embedding", "teacher.views", "second_pass", PENALTY)
"""Optional outputs that ``made_outputs`` provides for losses that require them."""


def widths_of(target: Target) -> Widths:
    """Return the widths of ``made_outputs`` for such a target."""
    teacher = TeacherWidths({TARGET: len(target.names)}, {TARGET: WIDTH}, dict.fromkeys(DIMS, WIDTH))
    return Widths(WIDTH, dict.fromkeys(DIMS, WIDTH), {PENALTY: ()}, {TEACHER: teacher})


def made_outputs(rows: int = ROWS, scale: float = 1.0, seed: int = 0, target: Target = TARGETS["classes"]) -> Outputs:
    """Make outputs of a model, in float32, as losses get them in real runs.

    Args:
        rows: N utterances.
        scale: the standard deviation of all values.
        seed: determines all values.
        target: what the target ``emotion`` is, with C names.

    Returns:
        logits ``[N, C]``, embedding ``[N, E]``, auxiliary ``[N, K, C]``, teacher ``[N, C]``, views ``[N, D]``, an extra
        ``[N]`` and a second pass; all but the teacher require gradients.
    """
    draw, columns = torch.Generator().manual_seed(seed), len(target.names)

    def random(width: int) -> Tensor:
        return (scale * torch.randn(rows, width, generator=draw)).requires_grad_()

    auxiliary = torch.stack([random(columns) for _ in range(2)], 1)  # [N, K, C]
    teacher = random(columns).detach()
    head = HeadOutput(random(columns), random(WIDTH), auxiliary.detach().requires_grad_(), teacher)
    views = {name: random(WIDTH) for name in DIMS}
    present = {name: torch.ones(rows, dtype=torch.bool) for name in DIMS}
    of_teacher = {name: random(WIDTH).detach() for name in DIMS}
    teachers = {TEACHER: TeacherOutput({TARGET: teacher}, {TARGET: random(WIDTH).detach()}, of_teacher, present)}
    penalty = random(1).detach().squeeze(1).requires_grad_()  # [N]
    order = made_rows(rows)
    second = Outputs({TARGET: HeadOutput(random(columns), random(WIDTH))}, order)
    return Outputs({TARGET: head}, order, views, present, {PENALTY: penalty}, teachers, second)


def made_labels(rows: int = ROWS, target: Target = TARGETS["classes"]) -> dict[str, Tensor]:
    """Return labels ``[N]`` or ``[N, C]``, which stay or change from one utterance of a speaker to the next."""
    return labels_of(made_classes(rows), target)


def labels_of(classes: Sequence[int], target: Target) -> dict[str, Tensor]:
    """Return the labels that stand for made-up classes, one per utterance; -100 = no label."""
    return {TARGET: torch.from_numpy(in_form(target, np.array(classes, np.int64)))}


def leaves_of(outputs: Outputs) -> list[Tensor]:
    """Return the tensors that require gradients."""
    found: list[Tensor] = []

    def keep(x: Tensor) -> Tensor:
        found.extend([x] if x.requires_grad else [])
        return x

    map_tensors(outputs, keep)
    return found
