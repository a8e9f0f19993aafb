"""One step on three made-up utterances, so that parts which do not fit are told before any data is read."""

import numpy as np
import torch
from torch import Tensor

from ercfw.batch import Inputs, Outputs, Stream, map_tensors
from ercfw.build import WeightedLosses
from ercfw.collate import make_layout
from ercfw.errors import InputError
from ercfw.info import DataInfo, ModalitySpec
from ercfw.interfaces import Loss, Model


def rehearse(model: Model, losses: WeightedLosses, info: DataInfo) -> list[str]:
    """Run model and losses once; what a reader should know of them. Leaves torch's generator as it was.

    Raises:
        InputError: a loss asks for what the model does not give, or an output has not the promised shape.
    """
    with torch.random.fork_rng(devices=[]):
        inputs = _made_up(info)
        training = model.training
        with torch.no_grad():
            outputs = model.eval()(inputs)
        model.train(training)
        _check_outputs(outputs, info, rows=len(inputs.speakers))
        for name, loss in losses.losses.items():
            _check_needs(name, loss, outputs)
        return _idle_losses(losses, outputs, info)


def _check_outputs(outputs: Outputs, info: DataInfo, rows: int) -> None:
    for target, spec in info.targets.items():
        shape = tuple(outputs.heads[target].logits.shape) if target in outputs.heads else None
        wanted = (rows, len(spec.classes))
        if shape is not None and shape != wanted:
            raise InputError.at(f"[head.{target}]", f"gives logits of shape {shape}", f"[N, C] = {wanted}")
    tensors = {f"view '{name}'": view for name, view in outputs.views.items()}
    tensors |= {f"extra '{name}'": extra for name, extra in outputs.extras.items()}
    for name, tensor in tensors.items():
        if len(tensor) != rows:
            raise InputError.at(name, f"has {len(tensor)} rows", f"a row an utterance: {rows}")


def _check_needs(name: str, loss: torch.nn.Module, outputs: Outputs) -> None:
    assert isinstance(loss, Loss)
    offered = {*outputs.extras, *(["views"] if outputs.views else []), "embedding"}
    missing = [needed for needed in loss.requires if needed not in offered]
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
    for name, value in losses(outputs, labels).items():
        gradients = torch.autograd.grad(value, leaves, allow_unused=True) if value.requires_grad else []
        if not any(gradient is not None and gradient.any() for gradient in gradients):
            idle.append(f"[loss.{name}] teaches nothing here: its gradient is zero")
    return idle


def _made_up(info: DataInfo) -> Inputs:
    speakers = [np.array([0, 1]), np.array([0])]
    layout = make_layout([2, 1], speakers)
    streams = {name: _stream(spec) for name, spec in info.modalities.items()}
    return Inputs(streams, layout, torch.from_numpy(np.concatenate(speakers)))


def _stream(spec: ModalitySpec) -> Stream:
    present, frames = torch.ones(3, dtype=torch.bool), torch.ones(3, 2, dtype=torch.bool)
    if spec.kind == "vector":
        return Stream(torch.randn(3, spec.dim), present)
    if spec.kind == "frames":
        return Stream(torch.randn(3, 2, spec.dim), present, frames)
    return Stream(torch.randint(spec.dim, (3, 2)), present, frames)
