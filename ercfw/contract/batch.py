"""Packed tensors that models and losses receive, with one row per utterance."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from typing import Any, Self

import torch
from torch import Tensor

from ercfw.contract.conversation import UNLABELLED, UtteranceId
from ercfw.contract.targets import TargetKind


def map_tensors(value: Any, fn: Callable[[Tensor], Tensor]) -> Any:
    """Apply ``fn`` to every tensor in nested dataclasses and dicts; leave everything else as it is."""
    return zip_tensors([value], fn)


def zip_tensors(values: Sequence[Any], fn: Callable[..., Tensor]) -> Any:
    """Apply ``fn`` to the tensors at the same place of several values of equal form; take the rest from the first."""
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
    """A dataclass of tensors that moves between devices as one; Accelerate needs only ``to``."""

    def map(self, fn: Callable[[Tensor], Tensor]) -> Self:
        """Return the same group with ``fn`` applied to every tensor."""
        return map_tensors(self, fn)  # type: ignore[no-any-return]

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Self:
        """Return the same group on a device."""
        return self.map(lambda tensor: tensor.to(device, non_blocking=non_blocking))

    def pin_memory(self) -> Self:
        """Return the same group in page-locked memory."""
        return self.map(lambda tensor: tensor.pin_memory())


@dataclass(frozen=True)
class Layout(TensorGroup):
    """The conversation of each row, and conversions to and from forms with empty places.

    ``pad`` gives every conversation as many places as the longest one has. ``to_bins`` puts whole conversations into
    bins of places, several short ones into one bin, so that few places stay empty even if the lengths differ widely.

    Attributes:
        lengths: ``[B]`` int64, the number of utterances of each conversation.
        index: ``[N]`` int64, the place of each row in the padded ``[B*U]``.
        conversation: ``[N]`` int64, the number of each row's conversation.
        position: ``[N]`` int64, the place in the conversation, from 0.
        previous: ``[N]`` int64, the row of the previous utterance of the conversation, -1 = none.
        previous_same_speaker: ``[N]`` int64, the row of the speaker's previous utterance, -1 = none.
        mask: ``[B, U]`` bool, True = an utterance, False = an empty place.
        slot: ``[N]`` int64, the place of each row in the bins.
        row: ``[N]`` int64, the number of each row in the whole batch, which differs from its place here if a process or
            part runs a share of the batch. It names another row in an extra, since losses see the whole batch.
        sizes: the lengths again, on the host, so that reading them does not wait for the device.
        speakers: the largest number of speakers in a conversation of the batch, on the host.
        bins: the number and width of the bins of each group, on the host.
    """

    lengths: Tensor
    index: Tensor
    conversation: Tensor
    position: Tensor
    previous: Tensor
    previous_same_speaker: Tensor
    mask: Tensor
    slot: Tensor
    row: Tensor
    sizes: tuple[int, ...]
    speakers: int
    bins: tuple[tuple[int, int], ...]

    def pad(self, x: Tensor) -> Tensor:
        """Convert ``[N, ...]`` to ``[B, U, ...]``, with zeros in empty places."""
        batch, longest = self.mask.shape
        padded = x.new_zeros(batch * longest, *x.shape[1:])
        return padded.index_copy_(0, self.index, x).view(batch, longest, *x.shape[1:])  # [B, U, ...]

    def pack(self, y: Tensor) -> Tensor:
        """Convert ``[B, U, ...]`` to ``[N, ...]``, the inverse of ``pad``."""
        return y.flatten(0, 1).index_select(0, self.index)  # [N, ...]

    def to_bins(self, x: Tensor) -> list[Tensor]:
        """Convert ``[N, ...]`` to ``[b, W, ...]`` for each group of b bins of width W, with zeros in empty places."""
        slots = [count * width for count, width in self.bins]
        filled = x.new_zeros(sum(slots), *x.shape[1:]).index_copy_(0, self.slot, x)
        parts = torch.split(filled, slots) if len(slots) > 1 else (filled,)  # the backward pass of a split copies
        return [part.view(*shape, *x.shape[1:]) for part, shape in zip(parts, self.bins, strict=True)]

    def from_bins(self, ys: Sequence[Tensor]) -> Tensor:
        """Convert ``[b, W, ...]`` of each group to ``[N, ...]``, the inverse of ``to_bins``."""
        flat = [y.flatten(0, 1) for y in ys]
        return (flat[0] if len(flat) == 1 else torch.cat(flat)).index_select(0, self.slot)  # [N, ...]


@dataclass(frozen=True)
class Stream(TensorGroup):
    """One modality of a batch.

    Attributes:
        values: ``[N, D]`` float32 vectors, ``[N, T, D]`` float32 frames, or ``[N, T]`` int64 tokens.
        present: ``[N]`` bool, False = the utterance lacks the modality (its values are zero).
        frames: ``[N, T]`` bool, True = a frame or token, False = padding; None for vectors.
    """

    values: Tensor
    present: Tensor
    frames: Tensor | None = None


@dataclass(frozen=True)
class Inputs(TensorGroup):
    """Everything that a model may read: tensors only, no labels, no ids.

    Attributes:
        streams: the stream of each modality.
        layout: the order of the rows.
        speakers: ``[N]`` int64, the speakers of each conversation, numbered by first appearance unless the corpus
            assigns the numbers.
    """

    streams: dict[str, Stream]
    layout: Layout
    speakers: Tensor


@dataclass(frozen=True)
class TeacherOutput(TensorGroup):
    """The output of one run of ``[teacher]``, frozen. Every tensor has one row per utterance.

    Attributes:
        logits: ``[N, C]`` of each target that the run predicts.
        embeddings: ``[N, E]`` of each target; empty unless a loss requires ``teacher.embedding``.
        views: ``[N, D]`` of each modality; empty unless a loss requires ``teacher.views``.
        present: ``[N]`` bool for each view, False = the utterance lacks the modality, so its view has no meaning.
    """

    logits: dict[str, Tensor]
    embeddings: dict[str, Tensor] = field(default_factory=dict)
    views: dict[str, Tensor] = field(default_factory=dict)
    present: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Batch(TensorGroup):
    """A batch of whole conversations.

    Attributes:
        inputs: what the model reads.
        targets: the labels of each target: ``[N]`` int64 classes, -100 = unlabelled; ``[N, C]`` float32 for other
            forms of labels (``ercfw/contract/targets.py``), NaN = unlabelled.
        ids: the N utterance ids.
        teacher: the logits of a teacher, ``[N, C]`` per target; empty without a teacher. Of several runs, the logits
            of their mean prediction: the logarithm of the mean probability of classes.
        teachers: the output of each run of ``[teacher]``, by its path in the recipe.
        agreement: for targets that tell it, the share of annotators who agreed with the label, ``[N]``.
    """

    inputs: Inputs
    targets: dict[str, Tensor]
    ids: tuple[UtteranceId, ...]
    teacher: dict[str, Tensor] = field(default_factory=dict)
    teachers: dict[str, TeacherOutput] = field(default_factory=dict)
    agreement: dict[str, Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Rows(TensorGroup):
    """The order of the rows, for losses: each ``[N]`` int64 as in ``Layout``, -1 = none."""

    conversation: Tensor
    previous: Tensor
    previous_same_speaker: Tensor
    speaker: Tensor

    @classmethod
    def of(cls, inputs: Inputs) -> "Rows":
        """Return the rows of a batch."""
        layout = inputs.layout
        return cls(layout.conversation, layout.previous, layout.previous_same_speaker, inputs.speakers)


@dataclass(frozen=True)
class HeadOutput(TensorGroup):
    """The output of a head.

    Attributes:
        logits: ``[N, C]``: of classes before softmax, of labels before the sigmoid, or the numbers themselves.
        embedding: ``[N, E]``, the vectors that embedding losses read.
        auxiliary: ``[N, K, C]``, logits that are trained but not scored, such as one set per modality or iteration;
            None = there are none.
        teacher: ``[N, C]``, the logits of a frozen run (``[teacher]``), which the core adds for losses; None = there is
            none. Of several runs, the logits of their mean prediction.
        extras: tensors ``[N, ...]`` by name, for a loss that belongs to the head. A composed model moves them to those
            of ``Outputs``, as ``head.TARGET.NAME``.
        agreement: ``[N]``, the share of annotators who agreed with the label, which the core adds for losses; None =
            the data does not tell it.
    """

    logits: Tensor
    embedding: Tensor
    auxiliary: Tensor | None = None
    teacher: Tensor | None = None
    extras: dict[str, Tensor] = field(default_factory=dict)
    agreement: Tensor | None = None


@dataclass(frozen=True)
class Outputs(TensorGroup):
    """The output of a model. Every tensor has one row per utterance, so that processes can gather all alike.

    Attributes:
        heads: the output of each target's head.
        rows: the order of the rows.
        views: the vectors ``[N, D]`` of each modality, from the fusion, or from the contexts if it returns none.
        present: ``[N]`` bool per modality, False = the utterance lacks it, so its view has no meaning.
        extras: tensors ``[N, ...]`` by name, for a loss that belongs to the model or to one of its parts. The name of a
            part's extra begins with its table: ``fusion.NAME``, ``context.text.NAME``, ``head.emotion.NAME``.
        teachers: the output of each run of ``[teacher]``, by its path in the recipe; the core adds them for losses.
        second: the output of a second pass over the same batch with other random numbers, such as other dropout; None
            unless a loss requires ``second_pass``, and in evaluation. The core adds it.
    """

    heads: dict[str, HeadOutput]
    rows: Rows
    views: dict[str, Tensor] = field(default_factory=dict)
    present: dict[str, Tensor] = field(default_factory=dict)
    extras: dict[str, Tensor] = field(default_factory=dict)
    teachers: dict[str, TeacherOutput] = field(default_factory=dict)
    second: "Outputs | None" = None


def labelled(targets: dict[str, Tensor], target: str) -> Tensor:
    """Return which rows a loss may read: ``[N]`` bool, False where ``target`` has no label."""
    labels = targets[target]
    return ~labels.isnan().any(-1) if labels.is_floating_point() else labels != UNLABELLED  # [N]


def values_of(kind: TargetKind, logits: Tensor) -> Tensor:
    """Return what a head's output means: probabilities of classes or of labels, or numbers. ``[N, C] -> [N, C]``."""
    if kind == "regression":
        return logits
    return logits.sigmoid() if kind == "multilabel" else logits.softmax(-1)  # [N, C]


for _dataclass in (Layout, Stream, Inputs, TeacherOutput, Batch, Rows, HeadOutput, Outputs):
    torch.export.register_dataclass(_dataclass)
