"""Hand-written GRU cells: J cells of K networks side by side.

A cell has four parts of width D, ``[U h | reset | update | W x]``: the state's term of the candidate, the two gates,
and the input's term of the candidate. A state is therefore multiplied into the first three parts, and an input into the
last three.
"""

from collections.abc import Sequence
from typing import NamedTuple, Self

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ercfw_basics.blocks.products import multiply, multiply_rows

FEW = 8
"""Rows that are cast are padded to a multiple of this: oneDNN generates code for every new shape."""

_tanh_slope = torch.ops.aten.tanh_backward.grad_input
_sigmoid_slope = torch.ops.aten.sigmoid_backward.grad_input


class Weights(NamedTuple):
    """The weights of one cell of K networks; their rows are in the order of the parts that they are multiplied into."""

    bias: Tensor  # [K, 4D]
    state: Tensor  # [K, 3D, D]
    inputs: Tensor  # [K, 3D, dim]

    @classmethod
    def of(cls, cells: Sequence[nn.GRUCell], dtype: torch.dtype) -> Self:
        """Collect the weights of torch's cells (in the order reset, update, candidate).

        Args:
            cells: one cell per network.
            dtype: the dtype of the products.
        """
        width = cells[0].hidden_size
        gates, candidate = torch.split(torch.stack([cell.bias_hh for cell in cells]), [2 * width, width], -1)
        inputs = torch.stack([cell.bias_ih for cell in cells]) + F.pad(gates, (0, width))  # [K, 3D]
        return cls(
            bias=torch.cat([candidate, inputs], -1),
            state=torch.stack([cell.weight_hh for cell in cells]).to(dtype).roll(width, 1),
            inputs=torch.stack([cell.weight_ih for cell in cells]).to(dtype),
        )


def multiply_into(target: Tensor, x: Tensor, weight: Tensor) -> None:
    """Add ``x`` ``[R, K, I]`` times ``weight`` ``[K, I, O]`` to ``target`` ``[R, K, O]``, in the weight's dtype."""
    target, x = target.transpose(0, 1), x.transpose(0, 1)
    if target.dtype == weight.dtype:
        target.baddbmm_(x, weight)
    else:
        filled = x.new_empty(len(x), -(-x.shape[1] // FEW) * FEW, x.shape[2], dtype=weight.dtype)
        filled[:, : x.shape[1]] = x
        target += torch.bmm(filled, weight)[:, : x.shape[1]]


def advance(parts: Tensor, before: Tensor, after: Tensor) -> None:
    """Compute one step, from the states ``before`` to the states ``after``, both ``[R, K, J, D]``.

    In ``parts`` ``[R, K, J, 4D]`` the gates and the candidate overwrite the sums that they are computed from.
    """
    width = before.shape[-1]
    recurrent, gates, candidate = torch.split(parts, [width, 2 * width, width], -1)
    reset, update = gates.sigmoid_().chunk(2, -1)  # [R, K, J, D] each
    candidate.addcmul_(reset, recurrent)
    if parts.device.type == "cpu":  # torch's tanh takes five times as long as its sigmoid there
        candidate.mul_(2).sigmoid_().mul_(2).sub_(1)
    else:
        candidate.tanh_()
    torch.lerp(candidate, before, update, out=after)


def slopes(parts: Tensor, before: Tensor) -> Tensor:
    """Return the derivatives of the states by each of the sums: ``[N, K, J, 4, D]``.

    ``parts`` ``[N, K, J, 4, D]`` are as ``advance`` leaves them.
    """
    recurrent, reset, update, candidate = parts.unbind(-2)  # [N, K, J, D] each
    result = torch.empty_like(parts)
    by_recurrent, by_reset, by_update, by_candidate = result.unbind(-2)
    torch.sub(update.new_ones(()), update, out=by_candidate)
    _tanh_slope(by_candidate, candidate, grad_input=by_candidate)
    torch.mul(by_candidate, reset, out=by_recurrent)
    torch.mul(by_candidate, recurrent, out=by_reset)
    _sigmoid_slope(by_reset, reset, grad_input=by_reset)
    torch.sub(before, candidate, out=by_update)
    _sigmoid_slope(by_update, update, grad_input=by_update)
    return result


def multiply_all_into(target: Tensor, x: Tensor, weight: Tensor) -> None:
    """Add products to ``target`` like ``multiply_into``, for many rows; each network has its own product.

    ``weight`` is ``[K, O, I]``.
    """
    for k, (read, of_one) in enumerate(zip(x.unbind(1), weight, strict=True)):
        target[:, k] += multiply(read, of_one)


def weight_gradient(change: Tensor, x: Tensor) -> Tensor:
    """Return the gradient of a weight ``[K, O, I]``.

    The weight multiplies ``x`` ``[N, K, I]`` into sums whose gradient is ``change`` ``[N, K, O]``.
    """
    pairs = zip(change.unbind(1), x.unbind(1), strict=True)
    return torch.stack([multiply_rows(of_one, read) for of_one, read in pairs])
