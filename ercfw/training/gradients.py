"""The gradients of one batch: in one go, or in parts that give the gradients of the whole."""

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ercfw.contract.batch import Outputs, map_tensors
from ercfw.model.losses import WeightedLosses
from ercfw.training.distributed import Share, gather_outputs
from ercfw.training.seeds import seed_everything


def backward(
    accelerator: Accelerator, model: nn.Module, losses: WeightedLosses, share: Share, entropy: tuple[int, ...]
) -> Tensor:
    """Add a batch's gradients to those of model and losses; the weighted losses ``[L]``, without their graph.

    A share of several parts runs twice, so that no more than one part's activations are held at a time: first
    without gradients, for the losses of the whole batch and their gradients by the outputs; then part after
    part again, each carrying its outputs' gradients on (Gao et al., RepL4NLP 2021). Any loss may be coupled.

    Args:
        accelerator: device, precision and processes.
        model: as it was prepared.
        losses: they see the whole batch.
        share: what this process runs.
        entropy: seeds what parts draw at random, in both passes the same.
    """
    if len(share.parts) == 1:
        outputs = gather_outputs([forward(accelerator, model, share, 0, entropy)], share, accelerator.process_index)
        values = whole_losses(accelerator, losses, outputs, share, entropy)
        accelerator.backward(values.sum())
        return values.detach()
    buffers = {buffer: buffer.clone() for buffer in model.buffers()}
    with torch.no_grad():
        cached = [forward(accelerator, model, share, number, entropy) for number in range(len(share.parts))]
    leaves = [outputs.map(_leaf) for outputs in cached]
    outputs = gather_outputs(leaves, share, accelerator.process_index)
    values = whole_losses(accelerator, losses, outputs, share, entropy)
    accelerator.backward(values.sum())
    for buffer, before in buffers.items():  # so that the second pass is the first one again
        buffer.data.copy_(before)
    for number, part in enumerate(leaves):
        last = number == len(leaves) - 1
        with nullcontext() if last else accelerator.no_sync(model):
            _carry_on(forward(accelerator, model, share, number, entropy), part)
    return values.detach()


def forward(
    accelerator: Accelerator, model: nn.Module, share: Share, number: int, entropy: tuple[int, ...] | None = None
) -> Outputs:
    """What the model says of one part; with ``entropy`` it draws at random what it drew with it before."""
    if entropy is not None:
        seed_everything(*entropy, 1 + accelerator.process_index, number)
    outputs: Outputs = model(share.parts[number].inputs.to(accelerator.device, non_blocking=True))
    return outputs


def whole_losses(
    accelerator: Accelerator,
    losses: WeightedLosses,
    outputs: Outputs,
    share: Share,
    entropy: tuple[int, ...] | None = None,
) -> Tensor:
    """The weighted losses ``[L]`` of the whole batch, the same in every process."""
    targets = {name: y.to(accelerator.device, non_blocking=True) for name, y in share.whole.targets.items()}
    outputs = taught(outputs, {name: x.to(accelerator.device) for name, x in share.whole.teacher.items()})
    if entropy is not None:
        seed_everything(*entropy)
    return torch.stack(list(losses(outputs, targets).values()))  # [L]


def taught(outputs: Outputs, teacher: Mapping[str, Tensor]) -> Outputs:
    """The outputs, each head's with its teacher's logits ``[N, C]``."""
    if not teacher:
        return outputs
    heads = {name: replace(head, teacher=teacher.get(name)) for name, head in outputs.heads.items()}
    return replace(outputs, heads=heads)


def _leaf(x: Tensor) -> Tensor:
    return x.detach().requires_grad_() if x.is_floating_point() else x


def _carry_on(outputs: Outputs, leaves: Outputs) -> None:
    """Backward from outputs whose gradients were worked out before."""
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
