"""What models, losses and metrics are handed: packed tensors, a row an utterance."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor

from ercfw.contract.conversation import UNLABELLED, UtteranceId


def map_tensors(value: Any, fn: Callable[[Tensor], Tensor]) -> Any:
    """``fn`` applied to every tensor in nested dataclasses and dicts; the rest is left as it is."""
    return zip_tensors([value], fn)


def zip_tensors(values: Sequence[Any], fn: Callable[..., Tensor]) -> Any:
    """``fn`` applied to the tensors that stand at the same place of several alike values; the rest is the first's."""
    first = values[0]
    if isinstance(first, Tensor):
        return fn(*values)
    if isinstance(first, dict):
        return {key: zip_tensors([value[key] for value in values], fn) for key in first}
    if is_dataclass(first) and not isinstance(first, type):
        names = [f.name for f in fields(first)]
        return replace(first, **{name: zip_tensors([getattr(value, name) for value in values], fn) for name in names})
    return first


class TensorGroup:
    """A dataclass of tensors that moves as one (Accelerate asks for no more than ``to``)."""

    def map(self, fn: Callable[[Tensor], Tensor]) -> Self:
        """The same group with ``fn`` applied to every tensor."""
        return map_tensors(self, fn)  # type: ignore[no-any-return]

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        """The same group on a device."""
        return self.map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Self:
        """The same group in page-locked memory."""
        return self.map(lambda tensor: tensor.pin_memory())


@dataclass(frozen=True)
class Layout(TensorGroup):
    """Which conversation each row belongs to, and the ways to and from forms that hold empty places.

    ``pad`` gives every conversation as many places as the longest has. ``to_bins`` puts whole conversations
    into bins of rows, short ones several to a bin, so that few places are empty however lengths differ.

    Attributes:
        lengths: ``[B]`` int64, utterances of each conversation.
        index: ``[N]`` int64, row -> place in the padded ``[B*U]``.
        conversation: ``[N]`` int64.
        position: ``[N]`` int64, place in the conversation, from 0.
        previous: ``[N]`` int64, row of the previous utterance of this conversation, -1 = first.
        previous_same_speaker: ``[N]`` int64, likewise by this speaker.
        mask: ``[B, U]`` bool, True = real.
        slot: ``[N]`` int64, row -> place in the bins.
        sizes: the lengths on the host, so that nothing waits for the device.
        speakers: most speakers of a conversation of this batch, on the host too.
        bins: how many bins of what width, group by group, on the host too.
    """

    lengths: Tensor
    index: Tensor
    conversation: Tensor
    position: Tensor
    previous: Tensor
    previous_same_speaker: Tensor
    mask: Tensor
    slot: Tensor
    sizes: tuple[int, ...]
    speakers: int
    bins: tuple[tuple[int, int], ...]

    def pad(self, x: Tensor) -> Tensor:
        """``[N, ...] -> [B, U, ...]``, zero where there is no utterance."""
        batch, longest = self.mask.shape
        padded = x.new_zeros(batch * longest, *x.shape[1:])
        return padded.index_copy_(0, self.index, x).view(batch, longest, *x.shape[1:])  # [B, U, ...]

    def pack(self, y: Tensor) -> Tensor:
        """``[B, U, ...] -> [N, ...]``, the inverse of ``pad``."""
        return y.flatten(0, 1).index_select(0, self.index)  # [N, ...]

    def to_bins(self, x: Tensor) -> list[Tensor]:
        """``[N, ...]`` -> for each group of b bins of width W ``[b, W, ...]``, zero where there is no utterance."""
        slots = [count * width for count, width in self.bins]
        filled = x.new_zeros(sum(slots), *x.shape[1:]).index_copy_(0, self.slot, x)
        parts = torch.split(filled, slots) if len(slots) > 1 else (filled,)  # the way back from a split copies
        return [part.view(*shape, *x.shape[1:]) for part, shape in zip(parts, self.bins, strict=True)]

    def from_bins(self, ys: Sequence[Tensor]) -> Tensor:
        """The inverse of ``to_bins``: ``[b, W, ...]`` of each group -> ``[N, ...]``."""
        flat = [y.flatten(0, 1) for y in ys]
        return (flat[0] if len(flat) == 1 else torch.cat(flat)).index_select(0, self.slot)  # [N, ...]


@dataclass(frozen=True)
class Stream(TensorGroup):
    """One modality of a batch.

    Attributes:
        values: ``[N, D]`` float32, ``[N, T, D]`` float32 frames, or ``[N, T]`` int64 tokens.
        present: ``[N]`` bool, False = this utterance lacks the modality (values are zero there).
        frames: ``[N, T]`` bool, True = real; None for ``[N, D]``.
    """

    values: Tensor
    present: Tensor
    frames: Tensor | None = None


@dataclass(frozen=True)
class Inputs(TensorGroup):
    """All that a model may read: tensors only, no labels, no ids.

    Attributes:
        streams: a modality's values.
        layout: the order of the rows.
        speakers: ``[N]`` int64, local to the conversation, by first appearance.
    """

    streams: dict[str, Stream]
    layout: Layout
    speakers: Tensor


@dataclass(frozen=True)
class Batch(TensorGroup):
    """Inputs, targets (``[N]`` int64, -100 = unlabelled), the N utterances' names, a teacher's logits ``[N, C]``."""

    inputs: Inputs
    targets: dict[str, Tensor]
    ids: tuple[UtteranceId, ...]
    teacher: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Rows(TensorGroup):
    """What a loss may know of the rows' order, each ``[N]`` int64 as in ``Layout``; -1 = none."""

    conversation: Tensor
    previous: Tensor
    previous_same_speaker: Tensor
    speaker: Tensor

    @classmethod
    def of(cls, inputs: Inputs) -> "Rows":
        """The rows of a batch."""
        layout = inputs.layout
        return cls(layout.conversation, layout.previous, layout.previous_same_speaker, inputs.speakers)


@dataclass(frozen=True)
class HeadOutput(TensorGroup):
    """A head's answer.

    Attributes:
        logits: ``[N, C]``.
        embedding: ``[N, E]``, the vector that embedding losses read.
        auxiliary: ``[N, K, C]``, K further answers that are trained but not scored: of each modality, of each
            iteration; None = there are none.
        teacher: ``[N, C]``, the logits of a frozen run (``[teacher]``), which the core puts there for losses; None =
            there is none.
    """

    logits: Tensor
    embedding: Tensor
    auxiliary: Tensor | None = None
    teacher: Tensor | None = None


@dataclass(frozen=True)
class Outputs(TensorGroup):
    """A model's answer; every tensor has a row an utterance, so that one gather serves all.

    Attributes:
        heads: a target's logits and embedding.
        rows: the order of the rows.
        views: a vector a modality ``[N, D]``: the fusion's, or the contexts' where it gives none.
        present: ``[N]`` bool a modality, False = the view says nothing of this utterance.
        extras: what a method's own loss reads, by name, ``[N, ...]``.
    """

    heads: dict[str, HeadOutput]
    rows: Rows
    views: dict[str, Tensor] = field(default_factory=dict)
    present: dict[str, Tensor] = field(default_factory=dict)
    extras: dict[str, Tensor] = field(default_factory=dict)


def labelled(targets: dict[str, Tensor], target: str) -> Tensor:
    """The rows a loss may read: ``[N]`` bool, False where ``target`` has no label."""
    return targets[target] != UNLABELLED


for _group in (Layout, Stream, Inputs, Batch, Rows, HeadOutput, Outputs):
    torch.export.register_dataclass(_group)
