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

from ercfw.contract.batch import Outputs, labelled, map_tensors
from ercfw.contract.conversation import UNLABELLED
from ercfw.contract.data_info import DataInfo
from ercfw.contract.targets import Target
from ercfw.registry import catalog
from ercfw.testing.documented import check_documented
from ercfw.testing.fixtures import DIMS, TARGET, TARGETS, data_info, make_conversations
from ercfw.testing.made_outputs import KNOWN, ROWS, labels_of, leaves_of, made_labels, made_outputs, widths_of
from ercfw.testing.made_rows import in_reverse
from ercfw.testing.meta_device import META, run_on_meta
from ercfw.testing.outcome import CheckFailed, CheckSkipped

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
        target: what its target is.
    """

    factory: Any
    options: Mapping[str, Any] = field(default_factory=dict)
    target: Target = TARGETS["classes"]

    @property
    def info(self) -> DataInfo:
        """Return the ``info`` that the loss is made with."""
        return data_info(make_conversations(dict.fromkeys(DIMS, "vector"), target=self.target), self.target)

    def outputs(self, rows: int = ROWS, scale: float = 1.0, seed: int = 0) -> Outputs:
        """Make outputs of a model; the arguments are those of ``made_outputs``."""
        return made_outputs(rows, scale, seed, self.target)

    def labels(self, rows: int = ROWS) -> dict[str, Tensor]:
        """Make labels, each of a labelled utterance."""
        return made_labels(rows, self.target)

    def make(self) -> nn.Module:
        """Make the loss, in training mode.

        Raises:
            CheckSkipped: it requires an output that only its own model has.
        """
        torch.manual_seed(0)
        wired = (TARGET, self.info, widths_of(self.target))
        made: nn.Module = catalog.construct("loss", self.factory, wired, self.options)
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
            loss(self.outputs(seed=DRAWS), self.labels())
        return loss


def options_are_documented(subject: LossSubject) -> None:
    """Check that each option has a type that a recipe can hold, and is named in the docstring of the class."""
    check_documented(subject.factory)


def one_finite_number(subject: LossSubject) -> None:
    """Check that the loss is a finite tensor ``[]`` with a gradient for an output of the model."""
    loss = subject.make()
    for draw in range(DRAWS):
        outputs = subject.outputs(seed=draw)
        value = loss(outputs, subject.labels())
        if not isinstance(value, Tensor) or value.shape:
            given = list(value.shape) if isinstance(value, Tensor) else type(value).__name__
            raise CheckFailed(f"it returns {given}, not a tensor of shape []")
        if not value.isfinite():
            raise CheckFailed("it returns NaN or infinity for ordinary outputs")
        if value.requires_grad and any(g.any() for g in _gradients(value, leaves_of(outputs))):
            return
    raise CheckFailed("no output of the model gets a gradient: nothing would be learned")


def nothing_labelled(subject: LossSubject) -> None:
    """Check that the loss and its gradients are finite when no utterance has a label, and 0 if it reads labels."""
    outputs, labels = subject.outputs(), labels_of([UNLABELLED] * ROWS, subject.target)
    _finite(subject, outputs, labels, "no utterance has a label")
    value = _value(subject.make(), outputs, labels)
    if _reads_labels(subject) and (value.any() or any(g.any() for g in _gradients(value, leaves_of(outputs)))):
        what = f"it is {float(value.detach()):.3g}, or has a gradient, where no utterance has a label"
        raise CheckFailed(f"{what}: return 0, such as outputs.heads[self.target].logits.sum() * 0")


def few_rows(subject: LossSubject) -> None:
    """Check that the loss is finite for one utterance, for two, for a single label and for a label of one utterance."""
    _finite(subject, subject.outputs(1), subject.labels(1), "there is one utterance")
    _finite(subject, subject.outputs(2), subject.labels(2), "there are two utterances with different labels")
    same = labels_of([0] * ROWS, subject.target)
    _finite(subject, subject.outputs(), same, "all utterances have the same label")
    alone = labels_of([1, *[0] * (ROWS - 1)], subject.target)
    _finite(subject, subject.outputs(), alone, "a label occurs once")


def large_values(subject: LossSubject) -> None:
    """Check that the loss is finite for outputs a thousand times as large, and for equal ones."""
    _finite(subject, subject.outputs(scale=LARGE), subject.labels(), f"outputs are about {LARGE:g}")
    equal = subject.outputs(scale=0.0)
    _finite(subject, equal, subject.labels(), "all outputs are zero")


def unlabelled_rows(subject: LossSubject) -> None:
    """Check that the outputs of utterances without a label do not matter, and that their gradients are finite."""
    labels = subject.labels()
    labels[TARGET][::3] = labels_of([UNLABELLED], subject.target)[TARGET]
    skipped = ~labelled(labels, TARGET)
    if not _reads_labels(subject):
        raise CheckSkipped("it reads no labels")
    one, other, loss = subject.outputs(), subject.outputs(seed=1), subject.used()
    value = _value(loss, one, labels)
    if not all(gradient.isfinite().all() for gradient in _gradients(value, leaves_of(one))):
        raise CheckFailed("its gradient is NaN or infinite where some have no label: replace NaN labels first")
    apart = _apart(value, _value(loss, _mix(one, other, skipped), labels))
    if not apart <= CLOSE:
        raise CheckFailed(
            f"utterances without a label change it (by {apart:.2g}): ercfw.labelled gives the mask of the others"
        )


def each_row_its_label(subject: LossSubject) -> None:
    """Check that it matters which utterance has which label, if labels are ``[N, C]`` and the loss reads them.

    It does not matter where ``[N, 1]`` and ``[N]`` are combined to ``[N, N]``.
    """
    outputs, loss = subject.outputs(), subject.used()
    if subject.target.form == "classes":
        return
    value = _value(loss, outputs, subject.labels())
    turned = _value(loss, outputs, {TARGET: subject.labels()[TARGET].roll(1, 0)})
    others = _value(loss, outputs, labels_of([1] * ROWS, subject.target))
    if _apart(value, others) > CLOSE and _apart(value, turned) <= CLOSE:
        raise CheckFailed("which utterance has which label does not matter: are [N, 1] and [N] combined to [N, N]?")


def any_order(subject: LossSubject) -> None:
    """Check that the order of the conversations does not matter."""
    outputs, labels, loss = subject.outputs(), subject.labels(), subject.used()
    turned, order = in_reverse(outputs)
    apart = _apart(_value(loss, outputs, labels), _value(loss, turned, {TARGET: labels[TARGET][order]}))
    if not apart <= CLOSE:
        raise CheckFailed(f"the order of the conversations changes it (by {apart:.2g})")


def finite_differences(subject: LossSubject) -> None:
    """Check that the gradients agree with finite differences."""
    outputs, labels, loss = subject.outputs(), subject.labels(), subject.used()
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
        if not abs(numeric - analytic) <= AGREES * max(1.0, abs(numeric)) + rounding:
            raise CheckFailed(f"its gradient is {analytic:.4g}, but finite differences give {numeric:.4g}")


def _constants(outputs: Outputs, detached: Sequence[str]) -> list[Tensor]:
    """Return the outputs that a loss declares to be constants."""
    head = outputs.heads[TARGET]
    of_head = [getattr(head, name) for name in ("logits", "embedding", "auxiliary") if name in detached]
    return [*of_head, *(outputs.views.values() if "views" in detached else ())]


def any_device(subject: LossSubject) -> None:
    """Check that the loss computes on the device of the outputs, and reads no value, which would make the CPU wait."""
    loss = subject.make().to(META)
    outputs = map_tensors(subject.outputs(), _moved)
    labels = {target: y.to(META) for target, y in subject.labels().items()}
    run_on_meta(lambda: torch.autograd.backward(loss(outputs, labels)))


def _reads_labels(subject: LossSubject) -> bool:
    """Return whether other labels, some of them missing, change the loss."""
    outputs, labels, loss = subject.outputs(), subject.labels(), subject.used()
    labels[TARGET][::3] = labels_of([UNLABELLED], subject.target)[TARGET]
    turned = {TARGET: labels[TARGET].flip(0)}
    return not torch.equal(_value(loss, outputs, labels), _value(loss, outputs, turned))


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
    options_are_documented, one_finite_number, nothing_labelled, few_rows, large_values, unlabelled_rows,
    each_row_its_label, any_order, finite_differences, any_device,
)  # fmt: skip
