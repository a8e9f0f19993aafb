"""The checks of every loss.

Each takes a ``LossSubject``, raises ``CheckFailed`` if the loss breaks the promise, and ``CheckSkipped`` if the promise
does not apply to it.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ercfw.contract.batch import HeadOutput, Outputs, TeacherOutput, map_tensors
from ercfw.contract.conversation import UNLABELLED
from ercfw.contract.data_info import DataInfo
from ercfw.contract.widths import TeacherWidths, Widths
from ercfw.registry import catalog
from ercfw.testing.documented import check_documented
from ercfw.testing.fixtures import CLASSES, DIMS, TARGET, data_info, make_conversations
from ercfw.testing.made_rows import in_reverse, made_labels_of, made_rows
from ercfw.testing.meta_device import META, run_on_meta
from ercfw.testing.outcome import CheckFailed, CheckSkipped

ROWS, WIDTH = 12, 5
"""Utterances, and the width of embeddings and views."""
PENALTY = "penalty"
"""The name of an extra ``[N]``."""
TEACHER = "runs/teacher"
"""The path of the teacher's run."""
KNOWN = ("views", "embedding", "auxiliary", "teacher", "teacher.embedding", "teacher.views", "second_pass", PENALTY)
"""Optional outputs that ``made_outputs`` provides for losses that require them."""
WIDTHS = Widths(
    WIDTH,
    dict.fromkeys(DIMS, WIDTH),
    {PENALTY: ()},
    {TEACHER: TeacherWidths({TARGET: len(CLASSES)}, {TARGET: WIDTH}, dict.fromkeys(DIMS, WIDTH))},
)
"""The widths of ``made_outputs``."""
LARGE = 1e3
"""The factor of large outputs."""
DRAWS = 4
"""Number of batches to try before a loss counts as one without a gradient: it may compare a batch with those before."""
CLOSE = 1e-5
"""The largest difference between values that should be equal, relative to them where they are above 1."""
STEP, AGREES = 1e-2, 5e-3
"""Coarse, since losses compute in float32, as in real runs."""
ROUNDING = 8 * torch.finfo(torch.float32).eps
"""The largest rounding error of a loss, relative to it."""


@dataclass(frozen=True)
class LossSubject:
    """The class of a loss, and how to make one.

    Attributes:
        factory: the class.
        options: keyword arguments of its constructor.
    """

    factory: Any
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def info(self) -> DataInfo:
        """Return the ``info`` that the loss is made with."""
        return data_info(make_conversations(dict.fromkeys(DIMS, "vector")))

    def make(self) -> nn.Module:
        """Make the loss, in training mode.

        Raises:
            CheckSkipped: it requires an output that only its own model has.
        """
        torch.manual_seed(0)
        made: nn.Module = catalog.construct("loss", self.factory, (TARGET, self.info, WIDTHS), self.options)
        unknown = [name for name in getattr(made, "requires", ()) if name not in KNOWN]
        if unknown:
            raise CheckSkipped(
                f"it requires '{unknown[0]}', which only its own model returns: test it in a run of a recipe"
            )
        return made

    def used(self) -> nn.Module:
        """Make the loss and call it once, since it may compare a batch with those before."""
        loss = self.make()
        with torch.no_grad():
            loss(made_outputs(seed=DRAWS), made_labels())
        return loss


def made_outputs(rows: int = ROWS, scale: float = 1.0, seed: int = 0) -> Outputs:
    """Make outputs of a model, in float32, as losses get them in real runs.

    Args:
        rows: N utterances.
        scale: the standard deviation of all values.
        seed: determines all values.

    Returns:
        logits ``[N, C]``, embedding ``[N, E]``, auxiliary ``[N, K, C]``, teacher ``[N, C]``, views ``[N, D]``, an extra
        ``[N]`` and a second pass; all but the teacher require gradients.
    """
    draw = torch.Generator().manual_seed(seed)

    def random(width: int) -> Tensor:
        return (scale * torch.randn(rows, width, generator=draw)).requires_grad_()

    auxiliary = torch.stack([random(len(CLASSES)) for _ in range(2)], 1)  # [N, K, C]
    teacher = random(len(CLASSES)).detach()
    head = HeadOutput(random(len(CLASSES)), random(WIDTH), auxiliary.detach().requires_grad_(), teacher)
    views = {name: random(WIDTH) for name in DIMS}
    present = {name: torch.ones(rows, dtype=torch.bool) for name in DIMS}
    of_teacher = {name: random(WIDTH).detach() for name in DIMS}
    teachers = {TEACHER: TeacherOutput({TARGET: teacher}, {TARGET: random(WIDTH).detach()}, of_teacher, present)}
    penalty = random(1).detach().squeeze(1).requires_grad_()  # [N]
    order = made_rows(rows)
    second = Outputs({TARGET: HeadOutput(random(len(CLASSES)), random(WIDTH))}, order)
    return Outputs({TARGET: head}, order, views, present, {PENALTY: penalty}, teachers, second)


def made_labels(rows: int = ROWS) -> dict[str, Tensor]:
    """Return labels ``[N]`` of all classes, which stay or change from one utterance of a speaker to the next."""
    return {TARGET: made_labels_of(rows)}


def leaves_of(outputs: Outputs) -> list[Tensor]:
    """Return the tensors that require gradients."""
    found: list[Tensor] = []

    def keep(x: Tensor) -> Tensor:
        found.extend([x] if x.requires_grad else [])
        return x

    map_tensors(outputs, keep)
    return found


def options_are_documented(subject: LossSubject) -> None:
    """Check that each option has a type that a recipe can hold, and is named in the docstring of the class."""
    check_documented(subject.factory)


def one_finite_number(subject: LossSubject) -> None:
    """Check that the loss is a finite tensor ``[]`` with a gradient for an output of the model."""
    loss = subject.make()
    for draw in range(DRAWS):
        outputs = made_outputs(seed=draw)
        value = loss(outputs, made_labels())
        if not isinstance(value, Tensor) or value.shape:
            given = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise CheckFailed(f"it returns {given}, not a tensor of shape []")
        if not value.isfinite():
            raise CheckFailed("it returns NaN or infinity for ordinary outputs")
        if value.requires_grad and any(g.any() for g in _gradients(value, leaves_of(outputs))):
            return
    raise CheckFailed("no output of the model gets a gradient: nothing would be learned")


def nothing_labelled(subject: LossSubject) -> None:
    """Check that the loss and its gradients are finite when no utterance has a label."""
    _finite(subject, made_outputs(), {TARGET: torch.full((ROWS,), UNLABELLED)}, "no utterance has a label")


def few_rows(subject: LossSubject) -> None:
    """Check that the loss is finite for one utterance, for two, for a single class and for a class of one utterance."""
    _finite(subject, made_outputs(1), made_labels(1), "there is one utterance")
    _finite(subject, made_outputs(2), made_labels(2), "there are two utterances of different classes")
    _finite(
        subject, made_outputs(), {TARGET: torch.zeros(ROWS, dtype=torch.long)}, "all utterances have the same class"
    )
    alone = torch.zeros(ROWS, dtype=torch.long)
    alone[0] = 1
    _finite(subject, made_outputs(), {TARGET: alone}, "a class has one utterance")


def large_values(subject: LossSubject) -> None:
    """Check that the loss is finite for outputs a thousand times as large, and for equal ones."""
    _finite(subject, made_outputs(scale=LARGE), made_labels(), f"outputs are about {LARGE:g}")
    equal = made_outputs(scale=0.0)
    _finite(subject, equal, made_labels(), "all outputs are zero")


def unlabelled_rows(subject: LossSubject) -> None:
    """Check that the outputs of utterances without a label do not matter."""
    labels = made_labels()
    labels[TARGET][::3] = UNLABELLED
    skipped = labels[TARGET] == UNLABELLED
    one, loss = made_outputs(), subject.used()
    if torch.equal(_value(loss, one, labels), _value(loss, one, {TARGET: labels[TARGET].flip(0)})):
        raise CheckSkipped("it reads no labels")
    other = made_outputs(seed=1)
    apart = _apart(_value(loss, one, labels), _value(loss, _mix(one, other, skipped), labels))
    if apart > CLOSE:
        raise CheckFailed(
            f"utterances without a label change it (by {apart:.2g}): ercfw.labelled gives the mask of the others"
        )


def any_order(subject: LossSubject) -> None:
    """Check that the order of the conversations does not matter."""
    outputs, labels, loss = made_outputs(), made_labels(), subject.used()
    turned, order = in_reverse(outputs)
    apart = _apart(_value(loss, outputs, labels), _value(loss, turned, {TARGET: labels[TARGET][order]}))
    if apart > CLOSE:
        raise CheckFailed(f"the order of the conversations changes it (by {apart:.2g})")


def finite_differences(subject: LossSubject) -> None:
    """Check that the gradients agree with finite differences."""
    outputs, labels, loss = made_outputs(), made_labels(), subject.used()
    leaves = leaves_of(outputs)
    value = _value(loss, outputs, labels)
    constants = _constants(outputs, getattr(loss, "detached", ()))
    for place, (leaf, gradient) in enumerate(zip(leaves, _gradients(value, leaves), strict=True)):
        if any(leaf is constant for constant in constants):
            if gradient.any():
                raise CheckFailed(f"it declares detached = {loss.detached}, but one of these has a gradient")
            continue
        direction = torch.randn(leaf.shape, generator=torch.Generator().manual_seed(place), dtype=leaf.dtype)
        step, sides = STEP, []
        for sign in (1, -1):
            shifted = [leaf + sign * step * direction if other is leaf else other for other in leaves]
            sides.append(float(_value(loss, _with(outputs, leaves, shifted), labels).detach()))
        numeric, analytic = (sides[0] - sides[1]) / (2 * step), float((gradient * direction).sum())
        rounding = ROUNDING * max(map(abs, sides)) / step
        if abs(numeric - analytic) > AGREES * max(1.0, abs(numeric)) + rounding:
            raise CheckFailed(f"its gradient is {analytic:.4g}, but finite differences give {numeric:.4g}")


def _constants(outputs: Outputs, detached: Sequence[str]) -> list[Tensor]:
    """Return the outputs that a loss declares to be constants."""
    head = outputs.heads[TARGET]
    of_head = [getattr(head, name) for name in ("logits", "embedding", "auxiliary") if name in detached]
    return [*of_head, *(outputs.views.values() if "views" in detached else ())]


def any_device(subject: LossSubject) -> None:
    """Check that the loss computes on the device of the outputs, and reads no value, which would make the CPU wait."""
    loss = subject.make().to(META)
    outputs = map_tensors(made_outputs(), _moved)
    labels = {target: y.to(META) for target, y in made_labels().items()}
    run_on_meta(lambda: torch.autograd.backward(loss(outputs, labels)))


def _value(loss: nn.Module, outputs: Outputs, labels: dict[str, Tensor]) -> Tensor:
    """Return the loss for a batch; it draws the same random numbers each time, and what it keeps stays as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        value: Tensor = deepcopy(loss)(outputs, labels)
    return value


def _apart(one: Tensor, other: Tensor) -> float:
    """Return the difference of two losses, relative to the first if that is above 1."""
    return abs(float((one - other).detach())) / max(1.0, abs(float(one.detach())))


def _moved(x: Tensor) -> Tensor:
    return x.detach().to(META).requires_grad_(x.requires_grad)


def _with(outputs: Outputs, old: list[Tensor], new: list[Tensor]) -> Outputs:
    pairs = {id(tensor): other for tensor, other in zip(old, new, strict=True)}
    changed: Outputs = map_tensors(outputs, lambda x: pairs.get(id(x), x))
    return changed


def _mix(one: Outputs, other: Outputs, take_other: Tensor) -> Outputs:
    """Return the outputs with the rows of the other where ``take_other``."""
    pairs = zip(leaves_of(one), leaves_of(other), strict=True)
    return _with(one, leaves_of(one), [_rows(take_other, b, a) for a, b in pairs])


def _rows(chosen: Tensor, one: Tensor, other: Tensor) -> Tensor:
    return torch.where(chosen.view(-1, *[1] * (one.dim() - 1)), one, other)


def _gradients(value: Tensor, leaves: list[Tensor]) -> list[Tensor]:
    if not value.requires_grad:
        return [torch.zeros_like(leaf) for leaf in leaves]
    found = torch.autograd.grad(value, leaves, allow_unused=True, retain_graph=True)
    return [torch.zeros_like(leaf) if g is None else g for leaf, g in zip(leaves, found, strict=True)]


def _finite(subject: LossSubject, outputs: Outputs, labels: dict[str, Tensor], where: str) -> None:
    value = subject.make()(outputs, labels)
    if not value.isfinite():
        raise CheckFailed(f"it returns NaN or infinity where {where}")
    if not all(gradient.isfinite().all() for gradient in _gradients(value, leaves_of(outputs))):
        raise CheckFailed(f"its gradient is NaN or infinite where {where}")


CHECKS = (
    options_are_documented, one_finite_number, nothing_labelled, few_rows, large_values, unlabelled_rows, any_order,
    finite_differences, any_device,
)  # fmt: skip
