"""Run one step on six made-up utterances, to find parts that do not fit together before the training."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import replace
from functools import partial
from types import MappingProxyType
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from ercfw.contract.batch import Outputs, map_tensors
from ercfw.contract.data_info import DataInfo
from ercfw.contract.interfaces import FusionBlock, Head, Loss, Model
from ercfw.contract.optional_parts import supports_views
from ercfw.contract.part_outputs import ContextOutput, Fused
from ercfw.contract.widths import TeacherWidths
from ercfw.errors import ErcfwError, InputError, RunError, cause_of
from ercfw.model.composed_model import ComposedModel
from ercfw.model.losses import SECOND_PASS, WeightedLosses
from ercfw.training.made_up_batch import made_up_inputs, made_up_labels
from ercfw.training.made_up_teachers import add_made_up_teachers

T = TypeVar("T")
NO_TEACHERS: Mapping[str, TeacherWidths] = MappingProxyType({})


def dry_run(
    model: Model, losses: WeightedLosses, info: DataInfo, teachers: Mapping[str, TeacherWidths] = NO_TEACHERS
) -> list[str]:
    """Run model and losses once and return the warnings about them; torch's generator keeps its state.

    Args:
        model: the model.
        losses: the losses.
        info: the statistics of the data.
        teachers: the widths of the runs of ``[teacher]``.

    Raises:
        InputError: a loss needs what the model does not return, or an output does not have the declared shape.
        RunError: the code of a part failed.
    """
    losses = deepcopy(losses)
    with torch.random.fork_rng(devices=[]):
        outputs = made_up_outputs(model, info)
        for name, loss in losses.losses.items():
            _check_needs(name, loss, outputs, teachers)
        return [*_idle_losses(losses, outputs, info, teachers), *_idle_teacher(losses, bool(teachers))]


def made_up_outputs(model: Model, info: DataInfo) -> Outputs:
    """Run a copy of the model on made-up utterances, without gradients; torch's generator keeps its state.

    Raises:
        InputError: an output does not have the declared shape.
        RunError: the code of a part failed.
    """
    model = deepcopy(model)  # because a part may store what it sees, as in a memory bank or a running mean
    with torch.random.fork_rng(devices=[]):
        inputs = made_up_inputs(info)
        with torch.no_grad(), _checked_widths(model, rows=len(inputs.speakers)):
            outputs: Outputs = _call_part("the model", partial(model.eval(), inputs))
    _check_outputs(outputs, info, rows=len(inputs.speakers), whole=not isinstance(model, ComposedModel))
    return outputs


@contextmanager
def _checked_widths(model: Model, rows: int) -> Iterator[None]:
    """Check the output of each part, so that the message names the part that is wrong."""

    def check(table: str, part: nn.Module, inputs: Any, output: Any) -> None:
        x = output.joint if isinstance(output, Fused) else output
        x = x.x if isinstance(x, ContextOutput) else x
        wanted = [rows, part.out_dim]
        if not isinstance(x, Tensor) or list(x.shape) != wanted:
            shown = f"shape {list(x.shape)}" if isinstance(x, Tensor) else type(x).__name__
            raise InputError.at(f"[{table}]", f"returns {shown}", f"[N, out_dim] = {wanted}")
        if not x.isfinite().all():
            raise InputError.at(f"[{table}]", "returns NaN or infinity", "finite numbers, for ordinary inputs")
        if reading_views and isinstance(part, FusionBlock) and isinstance(output, Fused) and output.views is not None:
            _check_views(part, inputs[0], output.views)

    reading_views = isinstance(model, ComposedModel) and any(
        supports_views(type(head)) for head in model.heads.values()
    )
    parts = model.parts() if isinstance(model, ComposedModel) else ()
    hooks = [part.register_forward_hook(partial(check, table)) for table, part in parts if not isinstance(part, Head)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _check_views(fusion: FusionBlock, xs: Mapping[str, Tensor], views: Mapping[str, Tensor]) -> None:
    """Check the widths of a fusion's views, with which a head was made that reads them."""
    given = {name: view.shape[-1] for name, view in views.items()}
    promised = {name: x.shape[-1] for name, x in xs.items()} if fusion.view_dims is None else dict(fusion.view_dims)
    if given != promised:
        hint = f"set view_dims = {given} in the fusion's __init__, for the head that reads them"
        raise InputError.at("[fusion]", f"returns views of widths {given}, but its view_dims are {promised}", hint)


def _call_part(what: str, call: Callable[[], T]) -> T:
    """Call the code of a part; name the part if it fails."""
    try:
        return call()
    except ErcfwError:
        raise
    except Exception as error:
        raise RunError(f"{what} fails on six made-up utterances: {cause_of(error)}") from error


def _check_outputs(outputs: Outputs, info: DataInfo, rows: int, whole: bool) -> None:
    """Check the shapes of the outputs; a ``whole`` model must have a head for each target."""
    if not isinstance(outputs, Outputs):
        raise InputError.at("[model]", f"returns {type(outputs).__name__}", "it must return Outputs")
    for target, spec in info.targets.items():
        if whole and target not in outputs.heads:
            hint = f"its heads are: {', '.join(outputs.heads) or 'none'}"
            raise InputError.at("[model]", f"returns no head for target '{target}'", hint)
        shape = tuple(outputs.heads[target].logits.shape) if target in outputs.heads else None
        wanted = (rows, len(spec.classes))
        if shape is not None and shape != wanted:
            raise InputError.at(f"[head.{target}]", f"returns logits of shape {shape}", f"[N, C] = {wanted}")
    tensors = {f"view '{name}'": view for name, view in outputs.views.items()}
    tensors |= {f"extra '{name}'": extra for name, extra in outputs.extras.items()}
    for name, tensor in tensors.items():
        if not isinstance(tensor, Tensor) or not tensor.dim():
            shown = "a single number" if isinstance(tensor, Tensor) else type(tensor).__name__
            raise InputError.at(name, f"is {shown}", f"a tensor with one row per utterance: {rows}")
        if len(tensor) != rows:
            raise InputError.at(name, f"has {len(tensor)} rows", f"one row per utterance: {rows}")


def _check_needs(name: str, loss: nn.Module, outputs: Outputs, teachers: Mapping[str, TeacherWidths]) -> None:
    """Check that the outputs have everything that a loss requires."""
    assert isinstance(loss, Loss)
    head = outputs.heads.get(loss.target)
    offered = {*outputs.extras, *(["views"] if outputs.views else []), "embedding", SECOND_PASS}
    offered |= {"auxiliary"} if head is not None and head.auxiliary is not None else set()
    missing = [needed for needed in loss.requires if needed not in offered and needed.partition(".")[0] != "teacher"]
    if missing:
        raise InputError.at(f"[loss.{name}]", f"needs '{missing[0]}', which this model does not return")
    for needed in [needed for needed in loss.requires if needed.partition(".")[0] == "teacher"]:
        _check_teachers(name, needed, loss.target, teachers)


def _check_teachers(name: str, needed: str, target: str, teachers: Mapping[str, TeacherWidths]) -> None:
    """Check that the teachers have what a loss requires of them."""
    if not teachers:
        raise InputError.at(f"[loss.{name}]", "needs a teacher, but there is none", '[teacher] run = "runs/..."')
    without = [run for run, of_run in teachers.items() if target not in of_run.logits]
    if needed == "teacher" and len(without) == len(teachers):
        raise InputError.at(
            f"[loss.{name}]", f"needs a teacher that predicts '{target}'", "name such a run in [teacher]"
        )
    if needed == "teacher.embedding" and without:
        what = f"needs the embedding of '{target}', which {without[0]} does not predict"
        raise InputError.at(f"[loss.{name}]", what, "name only runs of this target in [teacher]")
    given = {"teacher": True, "teacher.embedding": all(of_run.embeddings for of_run in teachers.values())}
    given["teacher.views"] = all(of_run.views for of_run in teachers.values())
    if not given.get(needed):
        what = f"needs '{needed}', which the teacher does not have"
        hint = "one of teacher, teacher.embedding and teacher.views, listed in requires of the loss's class"
        raise InputError.at(f"[loss.{name}]", what, hint)


def _idle_losses(
    losses: WeightedLosses, outputs: Outputs, info: DataInfo, teachers: Mapping[str, TeacherWidths]
) -> list[str]:
    """Warn about losses without an effect: no output has a gradient of theirs, whatever the outputs and labels are."""
    batches = [
        (_as_losses_see(outputs if number == 0 else _with_noise(outputs), losses, teachers), labels)
        for number, labels in enumerate(made_up_labels(info.targets))
    ]
    idle = []
    for name, loss in losses.losses.items():
        weight = losses.weights[name]
        if not any(_has_gradient(name, weight, loss, given, labels) for given, labels in batches):
            idle.append(f"[loss.{name}] has no effect: its gradient is zero")
    return idle


def _as_losses_see(outputs: Outputs, losses: WeightedLosses, teachers: Mapping[str, TeacherWidths]) -> Outputs:
    """Return the outputs with what teachers and a second pass might return."""
    if losses.second_pass:
        outputs = replace(outputs, second=outputs.map(_shifted))
    return add_made_up_teachers(outputs, teachers)


def _shifted(x: Tensor) -> Tensor:
    """Return what another pass with other dropout might return."""
    return x + 0.1 * torch.randn_like(x) if x.is_floating_point() else x


def _with_noise(outputs: Outputs) -> Outputs:
    """Return outputs that differ between the utterances, which those of a layer that starts at zero do not."""
    heads = {
        target: replace(
            head,
            logits=head.logits + torch.randn_like(head.logits),
            embedding=head.embedding + torch.randn_like(head.embedding),
        )
        for target, head in outputs.heads.items()
    }
    return replace(outputs, heads=heads)


def _has_gradient(name: str, weight: float, loss: nn.Module, outputs: Outputs, labels: dict[str, Tensor]) -> bool:
    """Return whether a weighted loss gives any of the outputs a gradient other than zero."""
    leaves: list[Tensor] = []

    def leaf(x: Tensor) -> Tensor:
        if not x.is_floating_point():
            return x
        leaves.append(x.detach().float().requires_grad_())
        return leaves[-1]

    value = _call_part(f"[loss.{name}]", partial(loss, map_tensors(outputs, leaf), labels))
    if not isinstance(value, Tensor) or value.shape:
        shown = f"shape {list(value.shape)}" if isinstance(value, Tensor) else type(value).__name__
        raise InputError.at(f"[loss.{name}]", f"returns {shown}", "a tensor of one number, of shape []")
    value = weight * value
    gradients = torch.autograd.grad(value, leaves, allow_unused=True) if value.requires_grad else []
    return any(gradient is not None and bool(gradient.any()) for gradient in gradients)


def _idle_teacher(losses: WeightedLosses, has_teacher: bool) -> list[str]:
    read = any(
        needed.startswith("teacher") for loss in losses.losses.values() for needed in getattr(loss, "requires", ())
    )
    return ["[teacher] has no effect: no loss reads it"] if has_teacher and not read else []
