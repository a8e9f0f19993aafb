"""One step on three made-up utterances, so that parts which do not fit are told before any data is read."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from ercfw.contract.batch import Inputs, Outputs, Stream, map_tensors
from ercfw.contract.data_info import DataInfo, ModalitySpec
from ercfw.contract.interfaces import Fused, Head, Loss, Model
from ercfw.data.collate import make_layout
from ercfw.errors import ErcfwError, InputError, RunError, cause_of
from ercfw.model.composed_model import ComposedModel
from ercfw.model.losses import WeightedLosses
from ercfw.training.gradients import taught

T = TypeVar("T")


def dry_run(model: Model, losses: WeightedLosses, info: DataInfo, has_teacher: bool = False) -> list[str]:
    """Run model and losses once; what a reader should know of them. Leaves torch's generator as it was.

    With ``has_teacher`` one answers, too.

    Raises:
        InputError: a loss asks for what the model does not give, or an output has not the promised shape.
        RunError: the code of a part failed.
    """
    # Copies, since a part may keep what it sees: a memory bank, a running mean.
    model, losses = deepcopy(model), deepcopy(losses)
    with torch.random.fork_rng(devices=[]):
        inputs = _made_up(info)
        with torch.no_grad(), _checked_widths(model, rows=len(inputs.speakers)):
            outputs = _tried("the model", partial(model.eval(), inputs))
        _check_outputs(outputs, info, rows=len(inputs.speakers), whole=not isinstance(model, ComposedModel))
        if has_teacher:
            outputs = taught(outputs, {name: torch.randn_like(head.logits) for name, head in outputs.heads.items()})
        for name, loss in losses.losses.items():
            _check_needs(name, loss, outputs)
        return [*_idle_losses(losses, outputs, info), *_idle_teacher(losses, has_teacher)]


@contextmanager
def _checked_widths(model: Model, rows: int) -> Iterator[None]:
    """Looks at what each part gives, so that the part that does not keep its promise is the one named."""

    def check(table: str, part: nn.Module, inputs: Any, given: Any) -> None:
        x = given.joint if isinstance(given, Fused) else given
        wanted = [rows, part.out_dim]
        if not isinstance(x, Tensor) or list(x.shape) != wanted:
            shown = f"shape {list(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
            raise InputError.at(f"[{table}]", f"gives {shown}", f"[N, out_dim] = {wanted}")
        if not x.isfinite().all():
            raise InputError.at(f"[{table}]", "gives NaN or infinity", "finite numbers, for ordinary inputs")

    parts = model.parts() if isinstance(model, ComposedModel) else ()
    hooks = [part.register_forward_hook(partial(check, table)) for table, part in parts if not isinstance(part, Head)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _tried(what: str, step: Callable[[], T]) -> T:
    try:
        return step()
    except ErcfwError:
        raise
    except Exception as error:
        raise RunError(f"{what} fails on three made-up utterances: {cause_of(error)}") from error


def _check_outputs(outputs: Outputs, info: DataInfo, rows: int, whole: bool) -> None:
    if not isinstance(outputs, Outputs):
        raise InputError.at("[model]", f"gives {type(outputs).__name__}", "Outputs are needed")
    for target, spec in info.targets.items():
        if whole and target not in outputs.heads:
            raise InputError.at("[model]", f"gives no head for target '{target}'", ", ".join(outputs.heads))
        shape = tuple(outputs.heads[target].logits.shape) if target in outputs.heads else None
        wanted = (rows, len(spec.classes))
        if shape is not None and shape != wanted:
            raise InputError.at(f"[head.{target}]", f"gives logits of shape {shape}", f"[N, C] = {wanted}")
    tensors = {f"view '{name}'": view for name, view in outputs.views.items()}
    tensors |= {f"extra '{name}'": extra for name, extra in outputs.extras.items()}
    for name, tensor in tensors.items():
        if len(tensor) != rows:
            raise InputError.at(name, f"has {len(tensor)} rows", f"a row an utterance: {rows}")


def _check_needs(name: str, loss: nn.Module, outputs: Outputs) -> None:
    assert isinstance(loss, Loss)
    head = outputs.heads.get(loss.target)
    offered = {*outputs.extras, *(["views"] if outputs.views else []), "embedding"}
    offered |= {"auxiliary"} if head is not None and head.auxiliary is not None else set()
    offered |= {"teacher"} if head is not None and head.teacher is not None else set()
    missing = [needed for needed in loss.requires if needed not in offered]
    if "teacher" in missing:
        raise InputError.at(f"[loss.{name}]", "reads a teacher, and there is none", '[teacher] run = "runs/..."')
    if missing:
        raise InputError.at(f"[loss.{name}]", f"needs '{missing[0]}', which this model does not give")


def _idle_losses(losses: WeightedLosses, outputs: Outputs, info: DataInfo) -> list[str]:
    """Losses that teach nothing here: no output has a gradient of theirs."""
    leaves: list[Tensor] = []

    def leaf(x: Tensor) -> Tensor:
        if not x.is_floating_point():
            return x
        leaves.append(x.detach().float().requires_grad_())
        return leaves[-1]

    outputs = map_tensors(outputs, leaf)
    labels = {target: torch.tensor([0, 0, len(spec.classes) - 1]) for target, spec in info.targets.items()}
    idle = []
    for name, loss in losses.losses.items():
        value = _tried(f"[loss.{name}]", partial(loss, outputs, labels))
        if not isinstance(value, Tensor) or value.shape:
            given = f"shape {list(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
            raise InputError.at(f"[loss.{name}]", f"gives {given}", "a tensor of one number, of shape []")
        value = losses.weights[name] * value
        gradients = torch.autograd.grad(value, leaves, allow_unused=True) if value.requires_grad else []
        if not any(gradient is not None and gradient.any() for gradient in gradients):
            idle.append(f"[loss.{name}] teaches nothing here: its gradient is zero")
    return idle


def _idle_teacher(losses: WeightedLosses, has_teacher: bool) -> list[str]:
    read = any("teacher" in getattr(loss, "requires", ()) for loss in losses.losses.values())
    return ["[teacher] is read by no loss"] if has_teacher and not read else []


def _made_up(info: DataInfo) -> Inputs:
    speakers = [np.array([0, 1]), np.array([0])]
    layout = make_layout([2, 1], speakers)
    streams = {name: _stream(spec) for name, spec in info.modalities.items()}
    return Inputs(streams, layout, torch.from_numpy(np.concatenate(speakers)))


def _stream(spec: ModalitySpec) -> Stream:
    present, frames = torch.ones(3, dtype=torch.bool), torch.ones(3, 2, dtype=torch.bool)
    if spec.kind == "tokens":
        return Stream(torch.randint(spec.dim, (3, 2)), present, frames)
    mean, deviation = torch.tensor(spec.mean), torch.tensor(spec.deviation)  # [D]
    if spec.kind == "vector":
        return Stream(mean + deviation * torch.randn(3, spec.dim), present)
    return Stream(mean + deviation * torch.randn(3, 2, spec.dim), present, frames)
