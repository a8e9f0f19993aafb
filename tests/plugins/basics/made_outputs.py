"""Outputs of a model in float64, for losses that read more than logits."""

import torch

from ercfw import DataInfo, HeadOutput, Outputs, Rows, TargetSpec, TeacherOutput, TeacherWidths, Widths

INFO = DataInfo({"emotion": TargetSpec(("neutral", "joy", "anger"), (50, 30, 20))}, {}, 2)
LABELS = torch.tensor([0, 2, -100, 1, 1, -100, 2, 0])
ROWS = len(LABELS)
VIEWS = {"text": 4, "audio": 2}
TEACHERS = {"runs/one": 6, "runs/other": 3}
WIDTHS = Widths(
    5, VIEWS, {}, {run: TeacherWidths({"emotion": 3}, {"emotion": width}) for run, width in TEACHERS.items()}
)


def draw(*shape: int, seed: int = 0) -> torch.Tensor:
    """Random numbers in float64 that require a gradient."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()


def outputs_of(logits: torch.Tensor, embedding: torch.Tensor | None = None, **more) -> Outputs:
    """Outputs with these logits ``[N, C]``; ``more`` goes to ``Outputs``, but auxiliary to the head."""
    none = torch.full((len(logits),), -1)
    head = HeadOutput(logits, logits if embedding is None else embedding, more.pop("auxiliary", None))
    return Outputs({"emotion": head}, Rows(none, none, none, none), **more)


def made_teachers() -> dict[str, TeacherOutput]:
    """Two teachers whose embeddings have other widths than the student's."""
    embeddings = {run: draw(ROWS, width, seed=9).detach() for run, width in TEACHERS.items()}
    return {run: TeacherOutput({"emotion": draw(ROWS, 3).detach()}, {"emotion": x}) for run, x in embeddings.items()}


def check_gradients(function, *leaves: torch.Tensor) -> None:
    """The gradients of a function of these tensors are those of finite differences, to 1e-6."""
    assert torch.autograd.gradcheck(function, leaves, eps=1e-6, atol=1e-6)
