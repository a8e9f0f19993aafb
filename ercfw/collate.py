"""Conversations to a packed batch, and the training split to what a model is told of it."""

from collections.abc import Mapping, Sequence
from itertools import chain

import numpy as np
import torch
from numpy.typing import NDArray

from ercfw import bins
from ercfw.contract.batch import Batch, Inputs, Layout, Stream
from ercfw.contract.conversation import Conversation, ConversationStream
from ercfw.contract.data_info import DataInfo, ModalitySpec, StreamKind, TargetSpec
from ercfw.contract.stored_streams import gather, vocabulary

BLOCK = 16
"""Conversations that are measured together: few, so that their float64 copy stays in the processor's cache."""


def collate(conversations: Sequence[Conversation]) -> Batch:
    """Pack conversations, one after another; all carry the same modalities and targets."""
    speakers = [conversation.speaker_numbers for conversation in conversations]
    inputs = Inputs(
        streams={name: _as_stream(found) for name, found in gather(conversations, conversations[0].streams).items()},
        layout=make_layout([len(conversation) for conversation in conversations], speakers),
        speakers=torch.from_numpy(np.concatenate(speakers)),  # [N]
    )
    targets = {
        name: torch.from_numpy(np.concatenate([c.labels[name] for c in conversations]))  # [N]
        for name in conversations[0].labels
    }
    ids = tuple(chain.from_iterable(conversation.ids for conversation in conversations))
    teacher = {
        name: torch.from_numpy(np.concatenate([c.teacher[name] for c in conversations]))  # [N, C]
        for name in conversations[0].teacher
    }
    return Batch(inputs, targets, ids, teacher)


def make_layout(sizes: Sequence[int], speakers: Sequence[NDArray[np.int64]]) -> Layout:
    """The layout of conversations of these sizes, whose speakers are numbered ``[U]`` each."""
    lengths = np.array(sizes, dtype=np.int64)
    conversation = np.repeat(np.arange(len(lengths)), lengths)  # [N]
    starts = np.cumsum(lengths) - lengths  # [B]
    rows = np.arange(lengths.sum())  # [N]
    position = rows - starts[conversation]  # [N]
    longest = int(lengths.max())
    speaker = np.concatenate(speakers)  # [N]
    slots, groups = bins.fit(sizes)  # [B]
    return Layout(
        lengths=torch.from_numpy(lengths),
        index=torch.from_numpy(conversation * longest + position),
        conversation=torch.from_numpy(conversation),
        position=torch.from_numpy(position),
        previous=torch.from_numpy(np.where(position > 0, rows - 1, -1)),
        previous_same_speaker=torch.from_numpy(_previous_of_same(conversation, speaker)),
        mask=torch.from_numpy(np.arange(longest) < lengths[:, None]),  # [B, U]
        slot=torch.from_numpy(slots[conversation] + position),
        sizes=tuple(int(size) for size in lengths),
        speakers=int(speaker.max()) + 1,
        bins=groups,
    )


def _previous_of_same(conversation: NDArray[np.int64], speaker: NDArray[np.int64]) -> NDArray[np.int64]:
    """``[N]`` the row of the last utterance by the same speaker of the same conversation, or -1."""
    order = np.lexsort((np.arange(len(speaker)), speaker, conversation))
    again = (np.diff(conversation[order]) == 0) & (np.diff(speaker[order]) == 0)
    previous = np.full(len(speaker), -1, dtype=np.int64)
    previous[order[1:][again]] = order[:-1][again]
    return previous


def _as_stream(gathered: ConversationStream) -> Stream:
    values, present = torch.from_numpy(gathered.values), torch.from_numpy(gathered.present)
    if gathered.lengths is None:
        return Stream(values, present)
    frames = np.arange(gathered.values.shape[1]) < gathered.lengths[:, None]  # [N, T]
    return Stream(values, present, torch.from_numpy(frames))


def describe(train: Sequence[Conversation], targets: Mapping[str, tuple[str, ...]]) -> DataInfo:
    """What a model is told: class counts, widths, means and deviations of the training split."""
    return DataInfo(
        targets=count_classes(train, targets),
        modalities={name: _describe_modality(train, name) for name in train[0].streams},
        speakers=max(len(set(conversation.speakers)) for conversation in train),
    )


def count_classes(train: Sequence[Conversation], targets: Mapping[str, tuple[str, ...]]) -> dict[str, TargetSpec]:
    """How many utterances of the training split are of each class."""
    labels = {name: np.concatenate([conversation.labels[name] for conversation in train]) for name in targets}
    return {
        name: TargetSpec(classes, tuple(np.bincount(y[y >= 0], minlength=len(classes)).tolist()))
        for (name, classes), y in zip(targets.items(), labels.values(), strict=True)
    }


def _describe_modality(train: Sequence[Conversation], modality: str) -> ModalitySpec:
    longest, largest, moments = 1, 0, Moments()
    for start in range(0, len(train), BLOCK):
        block = gather(train[start : start + BLOCK], [modality])[modality]
        kind, dim = _kind(block), block.values.shape[-1]
        longest = max(longest, block.values.shape[1] if kind != "vector" else 1)
        if kind == "tokens":
            largest = max(largest, int(block.values.max(initial=0)))
        else:
            moments.add(_real_rows(block).astype(np.float64))
    if kind == "tokens":
        return ModalitySpec(kind, max(largest + 1, vocabulary(train, modality)), longest)
    if not moments.count:
        return ModalitySpec(kind, dim, longest, (0.0,) * dim, (1.0,) * dim)
    deviation = np.sqrt(moments.spread / moments.count)
    deviation = np.where(deviation > 0, deviation, 1)
    return ModalitySpec(kind, dim, longest, tuple(moments.mean.tolist()), tuple(deviation.tolist()))


def _kind(stream: ConversationStream) -> StreamKind:
    return "vector" if stream.lengths is None else "tokens" if stream.values.ndim == 2 else "frames"


def _real_rows(stream: ConversationStream) -> NDArray[np.float32]:
    """``[rows or frames, D]`` without what is absent or padded."""
    if stream.lengths is None:
        return stream.values[stream.present]  # type: ignore[return-value]
    real = np.arange(stream.values.shape[1]) < stream.lengths[:, None]  # [N, T]
    return stream.values[real & stream.present[:, None]]  # type: ignore[return-value]


class Moments:
    """The mean of rows that come block by block, and their squared distances from it (Chan et al., 1979).

    Attributes:
        count: rows so far.
        mean: ``[D]`` float64.
        spread: ``[D]`` float64, the sum of squared distances from the mean.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean: NDArray[np.float64] = np.zeros(1)
        self.spread: NDArray[np.float64] = np.zeros(1)

    def add(self, rows: NDArray[np.float64]) -> None:
        """Join ``[n, D]`` rows, which are overwritten."""
        if not len(rows):
            return
        mean = rows.mean(0)  # [D]
        rows -= mean
        apart, both = mean - self.mean, self.count + len(rows)
        self.spread = self.spread + np.square(rows, out=rows).sum(0) + apart**2 * (self.count * len(rows) / both)
        self.mean = self.mean + apart * (len(rows) / both)
        self.count = both
