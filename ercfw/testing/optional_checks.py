"""Checks of the methods that a part of a network may offer: ``together``, ``parameter_groups``, ``explain``."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from ercfw.contract.batch import Inputs
from ercfw.contract.conversation import Conversation
from ercfw.errors import InputError
from ercfw.testing.checked_part import ONE, Subject
from ercfw.testing.compare_results import CLOSE, same
from ercfw.testing.fixtures import pack
from ercfw.testing.outcome import CheckFailed, CheckSkipped


def together(subject: Subject) -> None:
    """Check that ``together`` of several blocks equals the ``forward`` of each, in values and in gradients.

    It is tried on two blocks of equal width, and on one block per modality.

    Raises:
        CheckFailed: it is not a static method, or its result differs.
        CheckSkipped: the context does not offer ``together``.
    """
    if not hasattr(subject.factory, "together"):
        raise CheckSkipped("it does not offer together")
    if not isinstance(_attribute(subject.factory, "together"), staticmethod):
        raise CheckFailed("together is not a static method: the core calls Class.together(blocks, xs, inputs)")
    inputs = pack(subject.conversations).inputs
    _together(subject, (ONE, ONE), inputs)
    _together(subject, tuple(subject.dims), inputs)


def _together(subject: Subject, modalities: Sequence[str], inputs: Inputs) -> None:
    """Compare one call for these modalities with one ``forward`` each."""
    try:
        blocks = [_block(subject, name, seed) for seed, name in enumerate(modalities)]
    except InputError:
        return  # it needs another width, as it may
    xs = [inputs.streams[name].values.clone().requires_grad_() for name in modalities]  # [N, D_m] each
    alone = [subject.side_by_side(block(x, inputs)) for block, x in zip(blocks, xs, strict=True)]  # [N, D] each
    at_once = [subject.side_by_side(output) for output in subject.factory.together(blocks, xs, inputs)]
    if len(at_once) != len(blocks):
        raise CheckFailed(f"together returns {len(at_once)} tensors for {len(blocks)} blocks")
    for name, one, other in zip(modalities, alone, at_once, strict=True):
        if one.shape != other.shape:
            raise CheckFailed(f"together returns {list(other.shape)} for '{name}', its forward {list(one.shape)}")
        same(one, other, f"together returns other values for '{name}' than its forward")
    weights = [*xs, *(weight for block in blocks for weight in block.parameters() if weight.requires_grad)]
    for one, other in zip(_gradients(alone, weights), _gradients(at_once, weights), strict=True):
        same(one, other, "together gives other gradients than the forward of each block")


def _attribute(factory: type, name: str) -> Any:
    """Return an attribute as its class holds it, before Python binds it."""
    return next(vars(cls)[name] for cls in factory.__mro__ if name in vars(cls))


def _block(subject: Subject, modality: str, seed: int) -> nn.Module:
    """Make the context with the width of a modality."""
    return replace(subject, dims={**subject.dims, ONE: subject.dims[modality]}).make(seed)


def _gradients(results: Sequence[Tensor], weights: Sequence[Tensor]) -> list[Tensor]:
    """Return the gradients of a random sum of all results; zeros where there is none."""
    total = torch.zeros(())
    for place, result in enumerate(results):
        draw = torch.Generator().manual_seed(place)
        total = total + (result * torch.randn(result.shape, generator=draw)).sum()
    if not total.requires_grad:
        return [torch.zeros_like(weight) for weight in weights]
    found = torch.autograd.grad(total, weights, allow_unused=True)
    return [torch.zeros_like(weight) if g is None else g for weight, g in zip(weights, found, strict=True)]


def parameter_groups(subject: Subject) -> None:
    """Check that each group of ``parameter_groups`` holds parameters of the part, and each parameter is in one group.

    Parameters in no group are allowed: they get the settings of ``[train]``.

    Raises:
        CheckFailed: a group is empty, holds something else, or shares a parameter with another.
        CheckSkipped: the part does not offer ``parameter_groups``.
    """
    part = subject.make()
    if not hasattr(part, "parameter_groups"):
        raise CheckSkipped("it does not offer parameter_groups")
    names = {id(parameter): name for name, parameter in part.named_parameters()}
    owners: dict[int, str] = {}
    groups: Any = part.parameter_groups()  # type: ignore[operator]
    for group, parameters in groups.items():
        parameters = list(parameters)
        if not any(isinstance(p, nn.Parameter) and p.requires_grad for p in parameters):
            raise CheckFailed(f"parameter_groups: '{group}' has no trainable parameter")
        for parameter in parameters:
            if id(parameter) not in names:
                raise CheckFailed(f"parameter_groups: '{group}' holds something other than a parameter of the part")
            if id(parameter) in owners:
                both = f"'{owners[id(parameter)]}' and '{group}'"
                raise CheckFailed(f"parameter_groups: {names[id(parameter)]} is listed twice, in {both}")
            owners[id(parameter)] = group


def explained(subject: Subject) -> None:
    """Check that ``explain`` returns weights ``[N, H, U]`` within each conversation that add up to 1, or to 0.

    Raises:
        CheckFailed: a tensor has another shape, a weight is negative or beyond the end of its conversation, a row
            has another sum, or a conversation alone gets other weights.
        CheckSkipped: the part does not offer ``explain``.
    """
    part = subject.make()
    if not hasattr(part, "explain"):
        raise CheckSkipped("it does not offer explain")
    layout = pack(subject.conversations).inputs.layout
    longest = max(layout.sizes)
    alone = [_explain(subject, part, [conversation]) for conversation in subject.conversations]
    for name, weights in _explain(subject, part, subject.conversations).items():
        if weights.dim() != 3 or (len(weights), weights.shape[2]) != (sum(layout.sizes), longest):
            raise CheckFailed(f"explain: {name} has shape {list(weights.shape)}, not [N, H, U]")
        totals = weights.sum(-1)  # [N, H]
        if (weights < 0).any() or not ((totals - 1).abs().minimum(totals.abs()) < CLOSE).all():
            raise CheckFailed(f"explain: weights of {name} are negative, or add up to neither 1 nor 0")
        outside = torch.arange(longest) >= layout.lengths[layout.conversation].unsqueeze(-1)  # [N, U]
        if weights[outside.unsqueeze(1).expand_as(weights)].any():
            raise CheckFailed(f"explain: {name} has weights beyond the end of a conversation")
        parts = torch.split(weights, list(layout.sizes))
        for in_batch, by_itself in zip(parts, alone, strict=True):
            inside = in_batch[..., : len(in_batch)]  # [U, H, U]
            same(inside, by_itself[name], f"explain: {name} differs for a conversation alone")


def _explain(subject: Subject, part: Any, conversations: list[Conversation]) -> dict[str, Tensor]:
    found: dict[str, Tensor] = part.explain(*subject.arguments(pack(conversations).inputs))
    return found
