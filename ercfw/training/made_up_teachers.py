"""Widths of the runs of ``[teacher]``, and made-up outputs of such widths for a dry run."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

import torch
from torch import Tensor

from ercfw.contract.batch import Outputs, TeacherOutput
from ercfw.contract.conversation import Conversation
from ercfw.contract.widths import TeacherWidths


def teacher_widths(conversation: Conversation) -> dict[str, TeacherWidths]:
    """Return the widths of the teachers of a conversation, by run."""
    return {
        run: TeacherWidths(
            {target: x.shape[1] for target, x in teacher.logits.items()},
            {target: x.shape[1] for target, x in teacher.embeddings.items()},
            {name: x.shape[1] for name, x in teacher.views.items()},
        )
        for run, teacher in conversation.teachers.items()
    }


def like_student(outputs: Outputs, runs: Iterable[str], asked: Iterable[str]) -> dict[str, TeacherWidths]:
    """Return the widths of runs that return what the student does; for a check that does not open the runs.

    Args:
        outputs: the outputs of the student.
        runs: the paths of the runs.
        asked: what losses require of them beside the logits.
    """
    asked = set(asked)
    like = TeacherWidths(
        {target: head.logits.shape[-1] for target, head in outputs.heads.items()},
        {target: head.embedding.shape[-1] for target, head in outputs.heads.items() if "teacher.embedding" in asked},
        {name: view.shape[-1] for name, view in outputs.views.items() if "teacher.views" in asked},
    )
    return dict.fromkeys(runs, like)


def add_made_up_teachers(outputs: Outputs, teachers: Mapping[str, TeacherWidths]) -> Outputs:
    """Return the outputs with random ones of teachers of these widths."""
    if not teachers:
        return outputs
    rows = len(outputs.rows.speaker)

    def draw(widths: Mapping[str, int]) -> dict[str, Tensor]:
        return {name: torch.randn(rows, width) for name, width in widths.items()}  # [N, D] each

    made = {
        run: TeacherOutput(
            draw(of_run.logits),
            draw(of_run.embeddings),
            draw(of_run.views),
            {name: torch.ones(rows, dtype=torch.bool) for name in of_run.views},
        )
        for run, of_run in teachers.items()
    }
    logits = {target: x for of_run in made.values() for target, x in of_run.logits.items()}
    heads = {target: replace(head, teacher=logits.get(target)) for target, head in outputs.heads.items()}
    return replace(outputs, heads=heads, teachers=made)
