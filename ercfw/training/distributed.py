"""Divide the conversations of a batch among processes, and gather the outputs with their gradients.

Every process computes the same division of a batch, runs its own share, and then holds the outputs of the whole
batch in the order of the batch. So a loss does not depend on the number of processes, or on the number of parts in
which a process ran its share.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch import distributed as dist

from ercfw.contract.batch import Batch, Outputs, Rows, zip_tensors
from ercfw.contract.conversation import Conversation
from ercfw.data.collate import collate


@dataclass(frozen=True)
class Share:
    """The share of a batch that one process runs.

    Attributes:
        parts: the conversations of this process, divided into the parts that it runs one after another.
        rows: the number of rows of each part that count: all, or none if the process had no conversation for the
            part and borrowed one.
        whole: the whole batch; without streams unless it is run undivided.
        counts: the number of rows that each process contributes.
        order: ``[N]``, row of the batch -> row of the gathered outputs.
    """

    parts: tuple[Batch, ...]
    rows: tuple[int, ...]
    whole: Batch
    counts: tuple[int, ...]
    order: Tensor

    @property
    def undivided(self) -> bool:
        """Return whether one process runs the batch in one part."""
        return len(self.parts) == len(self.counts) == 1

    def pin_memory(self) -> "Share":
        """Copy the share to page-locked memory, from which copies to a device run asynchronously."""
        whole = self.whole.pin_memory()
        parts = (whole,) if self.undivided else tuple(part.pin_memory() for part in self.parts)
        return replace(self, parts=parts, whole=whole, order=self.order.pin_memory())


def is_of_another_process(error: BaseException) -> bool:
    """Return whether this process failed only because another process, which it waited for, has ended."""
    gone = isinstance(error, RuntimeError) and any(word in str(error) for word in ("gloo", "Connection closed", "NCCL"))
    return dist.is_initialized() and (gone or isinstance(error, dist.DistError))


def partition(sizes: Sequence[int], processes: int) -> list[list[int]]:
    """Assign conversation numbers to processes, so that all get about the same number of utterances.

    Each conversation, longest first, goes to the process with the fewest utterances. All processes compute the same.
    """
    shares: list[list[int]] = [[] for _ in range(processes)]
    loads = [0] * processes
    for number in sorted(range(len(sizes)), key=lambda n: (-sizes[n], n)):
        least = loads.index(min(loads))
        shares[least].append(number)
        loads[least] += sizes[number]
    return [sorted(share) for share in shares]


def take_share(conversations: Sequence[Conversation], rank: int, processes: int, parts: int = 1) -> Share:
    """Return the share of one process, divided into parts; a part without a conversation borrows the first one."""
    if processes == parts == 1:
        whole = collate(conversations)
        rows = len(whole.ids)
        return Share((whole,), (rows,), whole, (rows,), torch.arange(rows))
    sizes = [len(conversation) for conversation in conversations]
    pieces = [
        [[share[n] for n in part] for part in partition([sizes[n] for n in share], parts)]
        for share in partition(sizes, processes)
    ]  # conversation numbers of each part of each process
    starts = np.cumsum([0, *sizes])
    rows_of = [np.arange(starts[n], starts[n + 1]) for n in range(len(sizes))]
    gathered = [rows_of[n] for share in pieces for part in share for n in part]
    return Share(
        parts=tuple(_part(conversations, rows_of, part or [0]) for part in pieces[rank]),
        rows=tuple(sum(sizes[n] for n in part) for part in pieces[rank]),
        whole=collate([conversation.with_streams({}) for conversation in conversations]),
        counts=tuple(sum(sizes[n] for part in share for n in part) for share in pieces),
        order=torch.from_numpy(np.argsort(np.concatenate(gathered))),
    )


def _part(conversations: Sequence[Conversation], rows_of: Sequence[NDArray[np.int64]], numbers: list[int]) -> Batch:
    """Pack these conversations of a batch, whose rows keep their numbers in the whole batch."""
    part = collate([conversations[n] for n in numbers])
    rows = torch.from_numpy(np.concatenate([rows_of[n] for n in numbers]))  # [N]
    return replace(part, inputs=replace(part.inputs, layout=replace(part.inputs.layout, row=rows)))


def gather_outputs(parts: Sequence[Outputs], share: Share, rank: int) -> Outputs:
    """Return the outputs of the whole batch, in float32 and in its order; gradients flow back to each part."""
    parts = [part.map(lambda x: x.float() if x.is_floating_point() else x) for part in parts]
    if share.undivided:
        return parts[0]
    first = parts[0]
    order = share.order.to(first.rows.speaker.device, non_blocking=True)

    def gather(*own: Tensor) -> Tensor:
        x = torch.cat([x[:count] for x, count in zip(own, share.rows, strict=True)])
        if len(share.counts) > 1:
            x = _GatherRows.apply(x, share.counts, rank)  # type: ignore[no-untyped-call]
        return x.index_select(0, order)  # [N, ...]

    def whole(parts: Sequence[Outputs]) -> Outputs:
        seconds = [part.second for part in parts if part.second is not None]
        return Outputs(
            heads=zip_tensors([part.heads for part in parts], gather),
            rows=Rows.of(share.whole.inputs).to(order.device, non_blocking=True),
            views=zip_tensors([part.views for part in parts], gather),
            present=zip_tensors([part.present for part in parts], gather),
            extras=zip_tensors([part.extras for part in parts], gather),
            second=whole(seconds) if seconds else None,
        )

    return whole(parts)


class _GatherRows(torch.autograd.Function):
    """Concatenate the rows of all processes.

    Data-parallel training averages gradients over processes. So the gradient of the own rows is multiplied by the
    number of processes to keep it exact.
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
