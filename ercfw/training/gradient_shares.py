"""Measure how much of the gradient each loss contributes: a loss with a tiny share does not steer the training."""

from collections.abc import Mapping, Sequence
from itertools import islice

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ercfw.contract.conversation import Conversation
from ercfw.data.collate import batches
from ercfw.model.losses import WeightedLosses
from ercfw.training.distributed import gather_outputs, take_share
from ercfw.training.gradients import training_forward, whole_losses
from ercfw.training.state import Plan, Training

BATCHES = 3
"""Number of batches that are measured."""


def gradient_shares(
    training: Training, plan: Plan, losses: WeightedLosses, weights: Mapping[str, Tensor]
) -> dict[str, float]:
    """Return each weighted loss's share of the gradient, for these weights of the model.

    A share is the norm of a loss's gradient with respect to the model's parameters, divided by the sum of these norms
    over the losses, and averaged over a few training batches. Dropout is on, as in training. The model keeps the
    weights that it was given. A step that training runs in several parts, or in several processes, is measured by one
    of its parts.

    Args:
        training: provides the model and the device.
        plan: provides the training conversations.
        losses: the losses.
        weights: the weights of the model.
    """
    accelerator = training.accelerator
    model = accelerator.unwrap_model(training.model)
    model.load_state_dict(weights)
    model.train()
    losses.to(accelerator.device).train()
    order = np.random.default_rng([plan.seed, 1]).permutation(len(plan.watched.train))
    conversations = [plan.watched.train[number] for number in order]
    size = max(1, plan.step_size // (training.memory.parts * accelerator.num_processes))
    found = [
        _norms(accelerator, model, losses, batch, (plan.seed, number))
        for number, batch in enumerate(islice(batches(conversations, size), BATCHES))
    ]
    shares = torch.stack([norms / norms.sum().clamp(min=torch.finfo(norms.dtype).tiny) for norms in found])  # [B, L]
    return dict(zip(losses.weights, shares.mean(0).tolist(), strict=True))


def _norms(
    accelerator: Accelerator,
    model: nn.Module,
    losses: WeightedLosses,
    conversations: Sequence[Conversation],
    entropy: tuple[int, ...],
) -> Tensor:
    """Return the norm of the gradient of each weighted loss on one batch: ``[L]``."""
    share = take_share(conversations, 0, 1)
    parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
    with accelerator.autocast():
        outputs = training_forward(accelerator, model, losses, share, 0, entropy)
    values = whole_losses(accelerator, losses, gather_outputs([outputs], share, 0), share, entropy)  # [L]
    if not values.requires_grad:
        return torch.zeros(len(values), dtype=torch.float64)
    return torch.stack(
        [_norm(torch.autograd.grad(value, parameters, retain_graph=True, allow_unused=True)) for value in values]
    )


def _norm(gradients: Sequence[Tensor | None]) -> Tensor:
    squares = [gradient.double().square().sum().cpu() for gradient in gradients if gradient is not None]
    return torch.stack([torch.zeros((), dtype=torch.float64), *squares]).sum().sqrt()
