"""Compute the gradients of one batch: at once, or part by part with the same result."""

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ercfw.contract.batch import Batch, Outputs, map_tensors
from ercfw.model.losses import WeightedLosses
from ercfw.training.distributed import Share, gather_outputs
from ercfw.training.seeds import seed_everything

if TYPE_CHECKING:  # validating a recipe takes its dry run from here, and needs no Accelerate
    from accelerate import Accelerator

SECOND_PASS = 2
"""Added to the seed of the second pass."""


def backward(
    accelerator: "Accelerator",
    model: nn.Module,
    losses: WeightedLosses,
    share: Share,
    entropy: tuple[int, ...],
    seen: Callable[[Outputs, Share], None] | None = None,
) -> Tensor:
    """Add the gradients of a batch to those of model and losses; return the weighted losses ``[L]``, detached.

    A share of several parts runs twice, so that memory holds the activations of only one part at a time. The first
    pass runs without gradients; it yields the losses of the whole batch and their gradients with respect to the
    outputs. The second pass runs the parts again, and each part continues the gradients of its outputs (Gao et al.,
    RepL4NLP 2021). So a loss may couple all utterances of a batch.

    Args:
        accelerator: device, precision and processes.
        model: the model, as Accelerate prepared it.
        losses: the losses, which read the outputs of the whole batch.
        share: the part of the batch that this process runs.
        entropy: seeds the random numbers of the parts, with the same result in both passes.
        seen: called with the outputs of the whole batch.
    """
    if len(share.parts) == 1:
        outputs = gather_outputs(
            [training_forward(accelerator, model, losses, share, 0, entropy)], share, accelerator.process_index
        )
        values = whole_losses(accelerator, losses, outputs, share, entropy)
        accelerator.backward(values.sum())
        if seen is not None:
            seen(outputs, share)
        return values.detach()
    buffers = {buffer: buffer.clone() for buffer in model.buffers()}
    with torch.no_grad():
        cached = [
            training_forward(accelerator, model, losses, share, number, entropy) for number in range(len(share.parts))
        ]
    leaves = [outputs.map(_leaf) for outputs in cached]
    outputs = gather_outputs(leaves, share, accelerator.process_index)
    values = whole_losses(accelerator, losses, outputs, share, entropy)
    accelerator.backward(values.sum())
    for buffer, before in buffers.items():  # the second pass must repeat the first
        buffer.data.copy_(before)
    for number, part in enumerate(leaves):
        last = number == len(leaves) - 1
        with nullcontext() if last else accelerator.no_sync(model):
            _continue_backward(training_forward(accelerator, model, losses, share, number, entropy), part)
    if seen is not None:
        seen(outputs, share)
    return values.detach()


def training_forward(
    accelerator: "Accelerator",
    model: nn.Module,
    losses: WeightedLosses,
    share: Share,
    number: int,
    entropy: tuple[int, ...],
) -> Outputs:
    """Run the model on one part, and a second time with other random numbers if a loss requires it."""
    if not losses.second_pass:
        return forward(accelerator, model, share, number, entropy)
    # Only the second pass prepares the exchange of gradients between processes, which then covers both passes. It also
    # broadcasts no buffers, which the first pass may have saved for its gradients.
    with accelerator.no_sync(model):
        first = forward(accelerator, model, share, number, entropy)
    return replace(first, second=forward(accelerator, model, share, number, (*entropy, SECOND_PASS)))


def forward(
    accelerator: "Accelerator", model: nn.Module, share: Share, number: int, entropy: tuple[int, ...] | None = None
) -> Outputs:
    """Run the model on one part; the same ``entropy`` gives the same random numbers."""
    if entropy is not None:
        seed_everything(*entropy, 1 + accelerator.process_index, number)
    outputs: Outputs = model(share.parts[number].inputs.to(accelerator.device, non_blocking=True))
    return outputs


def whole_losses(
    accelerator: "Accelerator",
    losses: WeightedLosses,
    outputs: Outputs,
    share: Share,
    entropy: tuple[int, ...] | None = None,
) -> Tensor:
    """Return the weighted losses ``[L]`` of the whole batch, which are the same in every process."""
    targets = {name: y.to(accelerator.device, non_blocking=True) for name, y in share.whole.targets.items()}
    outputs = with_agreement(with_teachers(outputs, share.whole, accelerator.device), share.whole, accelerator.device)
    if entropy is not None:
        seed_everything(*entropy)
    return torch.stack(list(losses(outputs, targets).values()))  # [L]


def with_teachers(outputs: Outputs, batch: Batch, device: torch.device) -> Outputs:
    """Return the outputs with those of the teachers, whose logits ``[N, C]`` are also in each head."""
    if not batch.teacher:
        return outputs
    teacher = {name: x.to(device, non_blocking=True) for name, x in batch.teacher.items()}
    heads = {name: replace(head, teacher=teacher.get(name)) for name, head in outputs.heads.items()}
    teachers = {run: x.to(device, non_blocking=True) for run, x in batch.teachers.items()}
    return replace(outputs, heads=heads, teachers=teachers)


def with_agreement(outputs: Outputs, batch: Batch, device: torch.device) -> Outputs:
    """Return the outputs with the share of annotators who agreed, ``[N]``, in the head of each target that has it."""
    if not batch.agreement:
        return outputs
    shares = {name: x.to(device, non_blocking=True) for name, x in batch.agreement.items()}
    heads = {name: replace(head, agreement=shares.get(name)) for name, head in outputs.heads.items()}
    return replace(outputs, heads=heads)


def _leaf(x: Tensor) -> Tensor:
    return x.detach().requires_grad_() if x.is_floating_point() else x


def _continue_backward(outputs: Outputs, leaves: Outputs) -> None:
    """Run backward from outputs whose gradients are already known."""
    tensors, gradients = [], []
    for x, leaf in zip(_tensors(outputs), _tensors(leaves), strict=True):
        if x.requires_grad and leaf.grad is not None:
            tensors.append(x)
            gradients.append(leaf.grad)
    torch.autograd.backward(tensors, gradients)


def _tensors(outputs: Outputs) -> list[Tensor]:
    found: list[Tensor] = []

    def keep(x: Tensor) -> Tensor:
        found.append(x)
        return x

    map_tensors(outputs, keep)
    return found
