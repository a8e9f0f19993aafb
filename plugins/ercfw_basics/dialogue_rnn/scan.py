"""GRU cells that run through a batch step by step, with a hand-written backward pass.

Autograd keeps a node for every call of every step and adds up the gradients of weights step by step. Here a step is a
few calls on slices of buffers for all steps, and its backward pass computes only the gradients of the sums before the
gates. The gradients of weights, biases and inputs then take one product each over all steps.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import Function, once_differentiable

from ercfw_basics.dialogue_rnn.attention import AttentionBackward, History, RunningMean
from ercfw_basics.dialogue_rnn.gru import advance, multiply_all_into, multiply_into, slopes, weight_gradient
from ercfw_basics.dialogue_rnn.order import Order
from ercfw_basics.dialogue_rnn.states import States


class Wiring(NamedTuple):
    """The slices of the ``4D * J`` parts of J cells into which each product is added.

    The weights of a scan come in the order of these slices: inputs, states, contexts.
    """

    inputs: tuple[slice, ...]
    states: tuple[slice, ...]
    """Products of the previous state of each cell."""
    contexts: tuple[slice, ...] = ()
    """Products of the contexts that attention over the first cell's states gives."""
    attention: type[RunningMean] | type[History] = RunningMean


def scan(
    wiring: Wiring,
    order: Order,
    kept: Tensor | None,
    x: Tensor,
    bias: Tensor,
    query: Tensor | None,
    *weights: Tensor,
) -> Tensor:
    """Run J cells of K networks through all steps, and return the states ``[N, K, D]`` of the last cell.

    Args:
        wiring: which cell reads what.
        order: the order of the steps.
        kept: ``[N, K, J, D]``, the factors by which dropout multiplies the states; None = no dropout.
        x: ``[N, K, dim]``, in the dtype of the weights.
        bias: ``[K, 4D * J]``, in the dtype of the states.
        query: the query of the attention; None = no attention.
        weights: ``[K, O, I]`` each, in the order of the wiring.
    """
    return _Scan.apply(wiring, order, kept, x, bias, query, *weights)  # type: ignore[no-any-return, no-untyped-call]


class _Scan(Function):
    @staticmethod
    def forward(
        ctx: Any,
        wiring: Wiring,
        order: Order,
        kept: Tensor | None,
        x: Tensor,
        bias: Tensor,
        query: Tensor | None,
        *weights: Tensor,
    ) -> Tensor:
        cells, sizes = len(wiring.states), order.sizes
        of_inputs, of_steps = _split(weights, wiring)
        parts = bias.expand(len(x), -1, -1).clone()  # [N, K, 4D * J]
        for column, weight in zip(wiring.inputs, of_inputs, strict=True):
            multiply_all_into(parts[..., column], x, weight)
        states = States(order.earlier[..., :cells], sizes, bias.shape[-1] // (4 * cells), parts)
        memories = [] if query is None else [wiring.attention(query, states.table[:, :, 0], sizes)]
        sums = [torch.split(parts[..., column], sizes) for column in wiring.states + wiring.contexts]
        masks = None if kept is None else torch.split(kept, sizes)
        for step, own in enumerate(torch.split(torch.unflatten(parts, -1, (cells, -1)), sizes)):
            before, after = states.before(step), states.steps[step]
            if step:  # everything that the first step reads is zero
                reads = [*before.unbind(2), *(memory.read(step) for memory in memories)]
                for into, read, weight in zip(sums, reads, of_steps, strict=True):
                    multiply_into(into[step], read, weight.transpose(1, 2))
            advance(own, before, after)
            if masks is not None:
                after *= masks[step]
            for memory in memories:
                memory.add(step, after[:, :, 0])
        ctx.save_for_backward(kept, x, parts, *weights)
        ctx.wiring, ctx.order, ctx.states, ctx.memories = wiring, order, states, memories
        return states.table[:, :, -1]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        kept, x, parts, *weights = ctx.saved_tensors
        wiring: Wiring = ctx.wiring
        of_inputs, of_steps = _split(weights, wiring)
        before = ctx.states.all_before()  # [N, K, J, D]
        memories = [memory.backward() for memory in ctx.memories]
        by_sums = _back_through_steps(ctx, gradient, before, memories, kept, parts, of_steps)  # [N, K, J, 4, D]
        changes = by_sums.flatten(2)  # [N, K, 4D * J]
        by_x = torch.zeros_like(x) if ctx.needs_input_grad[3] else None
        if by_x is not None:
            for column, weight in zip(wiring.inputs, of_inputs, strict=True):
                multiply_all_into(by_x, changes[..., column], weight.transpose(1, 2))
        second = slice(ctx.order.sizes[0], None)  # everything that the first step reads is zero
        reads = [*before.unbind(2), *(memory.contexts for memory in ctx.memories)]
        by_weights = [
            *(weight_gradient(changes[..., column], x) for column in wiring.inputs),
            *(
                weight_gradient(changes[second, :, column], read[second])
                for column, read in zip(wiring.states + wiring.contexts, reads, strict=True)
            ),
        ]
        by_query = memories[0].query() if memories else None
        return None, None, None, by_x, changes.sum(0), by_query, *by_weights


def _back_through_steps(
    ctx: Any,
    gradient: Tensor,
    before: Tensor,
    memories: Sequence[AttentionBackward],
    kept: Tensor | None,
    parts: Tensor,
    weights: Sequence[Tensor],
) -> Tensor:
    """Return the gradient ``[N, K, J, 4, D]`` of the parts' sums, in the dtype of the weights."""
    sizes, wiring, (cells, width) = ctx.order.sizes, ctx.wiring, before.shape[2:]
    parts = torch.unflatten(parts, -1, (cells, 4, width))  # [N, K, J, 4, D]
    slope = slopes(parts, before)  # [N, K, J, 4, D]
    dtype = weights[0].dtype
    changes = slope if slope.dtype == dtype else torch.empty_like(slope, dtype=dtype)  # [N, K, J, 4, D]
    carried = States(ctx.order.later[..., :cells], sizes, width, slope)
    sums = [torch.split(changes.flatten(2)[..., column], sizes) for column in wiring.states + wiring.contexts]
    updates = torch.split(parts[..., 2, :], sizes)  # [R, K, J, D] each
    masks = None if kept is None else torch.split(kept, sizes)
    steps = list(zip(torch.split(gradient, sizes), torch.split(slope, sizes), torch.split(changes, sizes), strict=True))
    for step, (of_last, sloping, changing) in reversed(list(enumerate(steps))):
        change = carried.before(step)  # [R, K, J, D], gradient of the states after the step
        change[:, :, -1] += of_last
        for memory in memories:
            memory.add(step, change[:, :, 0])
        if masks is not None:
            change *= masks[step]
        torch.mul(sloping, change.unsqueeze(3), out=changing)
        if step:
            earlier = torch.mul(change, updates[step], out=carried.steps[step])  # [R, K, J, D], of those before
            for cell, (own, weight) in enumerate(zip(sums[:cells], weights[:cells], strict=True)):
                multiply_into(earlier[:, :, cell], own[step], weight)
            for memory in memories:
                memory.read(step, (sums[-1][step].transpose(0, 1) @ weights[-1]).transpose(0, 1))
    return changes


def _split(weights: Sequence[Tensor], wiring: Wiring) -> tuple[Sequence[Tensor], Sequence[Tensor]]:
    """Split the weights into those of the input and those of what each step reads."""
    inputs = len(wiring.inputs)
    return weights[:inputs], weights[inputs:]
