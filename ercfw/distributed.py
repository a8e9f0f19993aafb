"""Conversations shared out over processes, outputs gathered with their gradients.

Every process works out the same sharing of a batch's conversations, runs its own share, and then holds the
outputs of the whole batch in the batch's own order: a loss never knows how many processes there are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch import distributed as dist

from ercfw.batch import Batch, Outputs, Rows, map_tensors
from ercfw.collate import collate
from ercfw.conversations import Conversation


@dataclass(frozen=True)
class Share:
    """One process' part of a batch.

    Attributes:
        own: the conversations that this process runs.
        whole: the batch.
        counts: rows that each process contributes.
        order: ``[N]`` row of the batch -> row of the gathered outputs.
    """

    own: Batch
    whole: Batch
    counts: tuple[int, ...]
    order: Tensor


def share_out(sizes: Sequence[int], processes: int) -> list[list[int]]:
    """Conversation numbers for each process, so that all have about as many utterances.

    The longest conversation first goes to whoever has least; the same on every process.
    """
    shares: list[list[int]] = [[] for _ in range(processes)]
    loads = [0] * processes
    for number in sorted(range(len(sizes)), key=lambda n: (-sizes[n], n)):
        least = loads.index(min(loads))
        shares[least].append(number)
        loads[least] += sizes[number]
    return [sorted(share) for share in shares]


def take_share(conversations: Sequence[Conversation], rank: int, processes: int) -> Share:
    """One process' share of a batch; with no conversation left for it, it borrows one and gives no rows."""
    whole = collate(conversations)
    if processes == 1:
        return Share(whole, whole, (len(whole.ids),), torch.arange(len(whole.ids)))
    sizes = [len(conversation) for conversation in conversations]
    shares = share_out(sizes, processes)
    starts = np.cumsum([0, *sizes])
    gathered = [np.arange(starts[n], starts[n + 1]) for share in shares for n in share]
    order = np.argsort(np.concatenate(gathered))
    own = collate([conversations[n] for n in shares[rank] or [0]])
    counts = tuple(sum(sizes[n] for n in share) for share in shares)
    return Share(own, whole, counts, torch.from_numpy(order))


def gather_outputs(outputs: Outputs, share: Share, rank: int) -> Outputs:
    """The outputs of the whole batch, in float32 and in its order; gradients flow back to each process' own."""
    outputs = outputs.map(lambda x: x.float() if x.is_floating_point() else x)
    if len(share.counts) == 1:
        return outputs
    order = share.order.to(share.own.inputs.speakers.device)

    def gather(x: Tensor) -> Tensor:
        rows: Tensor = _GatherRows.apply(x[: share.counts[rank]], share.counts, rank)  # type: ignore[no-untyped-call]
        return rows.index_select(0, order)  # [N, ...]

    return Outputs(
        heads=map_tensors(outputs.heads, gather),
        rows=Rows.of(share.whole.inputs).to(order.device),
        views=map_tensors(outputs.views, gather),
        present=map_tensors(outputs.present, gather),
        extras=map_tensors(outputs.extras, gather),
    )


class _GatherRows(torch.autograd.Function):
    """All processes' rows after one another.

    Data-parallel training averages gradients over processes, so the gradient of the own rows is multiplied by
    their number to keep it exact.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, counts: tuple[int, ...], rank: int) -> Tensor:
        ctx.counts, ctx.rank = counts, rank
        padded = x.new_zeros(max(counts), *x.shape[1:])
        padded[: len(x)] = x
        parts = [torch.empty_like(padded) for _ in counts]
        dist.all_gather(parts, padded)
        return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        own: Tensor = grads[0].split(ctx.counts)[ctx.rank]  # type: ignore[no-untyped-call]
        return own * len(ctx.counts), None, None
