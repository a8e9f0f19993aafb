"""K networks without listeners in one loop over time, as two scans: the speakers' states, then the emotions."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import Function, once_differentiable
from torch.nn import functional as F

from ercfw_basics.dialogue_rnn.attention import History, RunningMean
from ercfw_basics.dialogue_rnn.gru import Weights
from ercfw_basics.dialogue_rnn.network import Kind, Network
from ercfw_basics.dialogue_rnn.order import Order
from ercfw_basics.dialogue_rnn.scan import Wiring, scan


def run(networks: Sequence[Network], x: Tensor, order: Order, dropout: float) -> Tensor:
    """Return the emotion states of networks of one kind: ``[N, K, dim] -> [N, K, E]``.

    Under autocast the products use its dtype, but the recurrent states do not.
    """
    kind, device = networks[0].kind, x.device.type
    query = torch.stack([network.attention.weight for network in networks])  # [K, 1, D] or [K, D, dim]
    dtype = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else query.dtype
    with torch.autocast(device, enabled=False):
        to_global, to_party, to_emotion = (
            Weights.of([getattr(network, cell) for network in networks], dtype)
            for cell in ("to_global", "to_party", "to_emotion")
        )
        x = _reorder(x.to(dtype), order.rows, order.places)  # [N, K, dim]
        if kind.attention == "general":
            query = (x.transpose(0, 1) @ query.to(dtype).transpose(1, 2)).to(query.dtype)  # [K, N, D]
        query = query.transpose(0, 1).contiguous()  # [1 or N, K, D]
        of_speakers = _kept(query, x, 2, kind.width, dropout)  # [N, K, 2, D]
        of_emotions = _kept(query, x, 1, kind.emotion_width, dropout)  # [N, K, 1, E]
        parties = _speakers(kind, to_global, to_party, order, of_speakers, x, query)  # [N, K, D]
        width = kind.emotion_width
        wiring = Wiring((slice(width, 4 * width),), (slice(3 * width),))
        weights = (to_emotion.inputs, to_emotion.state)
        emotions = scan(wiring, order, of_emotions, parties.to(dtype), to_emotion.bias, None, *weights)
    return _reorder(emotions, order.places, order.rows)


def _kept(like: Tensor, x: Tensor, cells: int, width: int, dropout: float) -> Tensor | None:
    """Return the factors by which dropout multiplies the states, ``[N, K, cells, width]``; None = no dropout."""
    return F.dropout(like.new_ones(*x.shape[:2], cells, width), dropout) if dropout else None


def _speakers(
    kind: Kind, to_global: Weights, to_party: Weights, order: Order, kept: Tensor | None, x: Tensor, query: Tensor
) -> Tensor:
    """Return the speakers' states ``[N, K, D]``.

    Both cells read the party state, so one product serves both.
    """
    dim, width = kind.dim, kind.width
    x_to_global, party_to_global = torch.split(to_global.inputs, [dim, width], 2)  # [K, 3D, dim], [K, 3D, D]
    x_to_party, context_to_party = torch.split(to_party.inputs, [dim, width], 2)  # [K, 3D, dim], [K, 3D, D]
    party_to_both = torch.cat([party_to_global, to_party.state], 1)  # [K, 6D, D]
    wiring = Wiring(
        inputs=(slice(width, 4 * width), slice(5 * width, 8 * width)),
        states=(slice(3 * width), slice(width, 7 * width)),
        contexts=(slice(5 * width, 8 * width),),
        attention=RunningMean if kind.attention == "simple" else History,
    )
    bias = torch.cat([to_global.bias, to_party.bias], -1)  # [K, 8D]
    weights = (x_to_global, x_to_party, to_global.state, party_to_both, context_to_party)
    return scan(wiring, order, kept, x, bias, query, *(weight.contiguous() for weight in weights))


class _Reordered(Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
        ctx.save_for_backward(inverse)
        return _take(x, order)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        return _take(gradient, *ctx.saved_tensors), None, None


def _reorder(x: Tensor, order: Tensor, inverse: Tensor) -> Tensor:
    """Reorder the rows of K tables ``[N, K, D]`` by ``order`` ``[N, K]``.

    Gradients are reordered by its ``inverse`` ``[N, K]``.
    """
    return _Reordered.apply(x, order, inverse)  # type: ignore[no-any-return, no-untyped-call]


def _take(x: Tensor, index: Tensor) -> Tensor:
    places, networks, _ = x.shape
    flat = index * networks + torch.arange(networks, device=x.device)  # [N, K]
    return x.flatten(0, 1).index_select(0, flat.flatten()).view(places, networks, -1)
