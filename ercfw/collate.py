"""Conversations to a packed batch, and the training split to what a model is told of it."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ercfw.batch import Batch, Inputs, Layout, Stream
from ercfw.conversations import Conversation, ConversationStream
from ercfw.info import DataInfo, ModalitySpec, StreamKind, TargetSpec


def collate(conversations: Sequence[Conversation]) -> Batch:
    """Pack conversations, one after another; all carry the same modalities and targets."""
    speakers = [conversation.speaker_numbers for conversation in conversations]
    inputs = Inputs(
        streams={
            name: _collate_stream([conversation.streams[name] for conversation in conversations])
            for name in conversations[0].streams
        },
        layout=make_layout([len(conversation) for conversation in conversations], speakers),
        speakers=torch.from_numpy(np.concatenate(speakers)),  # [N]
    )
    targets = {
        name: torch.from_numpy(np.concatenate([c.labels[name] for c in conversations]))  # [N]
        for name in conversations[0].labels
    }
    return Batch(inputs, targets, tuple(id for conversation in conversations for id in conversation.ids))


def make_layout(sizes: Sequence[int], speakers: Sequence[NDArray[np.int64]]) -> Layout:
    """The layout of conversations of these sizes, whose speakers are numbered ``[U]`` each."""
    lengths = np.array(sizes, dtype=np.int64)
    conversation = np.repeat(np.arange(len(lengths)), lengths)  # [N]
    starts = np.cumsum(lengths) - lengths  # [B]
    rows = np.arange(lengths.sum())  # [N]
    position = rows - starts[conversation]  # [N]
    longest = int(lengths.max())
    speaker = np.concatenate(speakers)  # [N]
    return Layout(
        lengths=torch.from_numpy(lengths),
        index=torch.from_numpy(conversation * longest + position),
        conversation=torch.from_numpy(conversation),
        position=torch.from_numpy(position),
        previous=torch.from_numpy(np.where(position > 0, rows - 1, -1)),
        previous_same_speaker=torch.from_numpy(_previous_of_same(conversation, speaker)),
        mask=torch.from_numpy(np.arange(longest) < lengths[:, None]),  # [B, U]
        sizes=tuple(int(size) for size in lengths),
        speakers=int(speaker.max()) + 1,
    )


def _previous_of_same(conversation: NDArray[np.int64], speaker: NDArray[np.int64]) -> NDArray[np.int64]:
    """``[N]`` the row of the last utterance by the same speaker of the same conversation, or -1."""
    order = np.lexsort((np.arange(len(speaker)), speaker, conversation))
    again = (np.diff(conversation[order]) == 0) & (np.diff(speaker[order]) == 0)
    previous = np.full(len(speaker), -1, dtype=np.int64)
    previous[order[1:][again]] = order[:-1][again]
    return previous


def _collate_stream(parts: Sequence[ConversationStream]) -> Stream:
    present = torch.from_numpy(np.concatenate([part.present for part in parts]))  # [N]
    if parts[0].lengths is None:
        return Stream(torch.from_numpy(np.concatenate([part.values for part in parts])), present)
    lengths = np.concatenate([part.lengths for part in parts if part.lengths is not None])  # [N]
    longest = max(part.values.shape[1] for part in parts)
    values = np.concatenate([_pad_frames(part.values, longest) for part in parts])  # [N, T, ...]
    return Stream(torch.from_numpy(values), present, torch.from_numpy(np.arange(longest) < lengths[:, None]))


def _pad_frames(values: NDArray[np.float32] | NDArray[np.int64], longest: int) -> NDArray[np.float32]:
    room = [(0, 0)] * values.ndim
    room[1] = (0, longest - values.shape[1])
    return np.pad(values, room)


def describe(train: Sequence[Conversation], targets: Mapping[str, tuple[str, ...]]) -> DataInfo:
    """What a model is told: class counts, widths, means and deviations of the training split."""
    counts = {
        name: np.bincount(np.concatenate([c.labels[name][c.labels[name] >= 0] for c in train]), minlength=len(classes))
        for name, classes in targets.items()
    }
    return DataInfo(
        targets={name: TargetSpec(classes, tuple(counts[name].tolist())) for name, classes in targets.items()},
        modalities={name: _describe_stream([c.streams[name] for c in train]) for name in train[0].streams},
        speakers=max(len(set(conversation.speakers)) for conversation in train),
    )


def _describe_stream(parts: Sequence[ConversationStream]) -> ModalitySpec:
    kind: StreamKind = "vector" if parts[0].lengths is None else "tokens" if parts[0].values.ndim == 2 else "frames"
    longest = max(part.values.shape[1] for part in parts) if kind != "vector" else 1
    if kind == "tokens":
        return ModalitySpec(kind, int(max(part.values.max(initial=0) for part in parts)) + 1, longest)
    real = np.concatenate([_real_rows(part) for part in parts]).astype(np.float64)  # [rows or frames, D]
    dim = parts[0].values.shape[-1]
    if not len(real):
        return ModalitySpec(kind, dim, longest, (0.0,) * dim, (1.0,) * dim)
    mean, deviation = real.mean(0), real.std(0)
    deviation = np.where(deviation > 0, deviation, 1)
    return ModalitySpec(kind, dim, longest, tuple(mean.tolist()), tuple(deviation.tolist()))


def _real_rows(part: ConversationStream) -> NDArray[np.float32]:
    if part.lengths is None:
        return part.values[part.present]  # type: ignore[return-value]
    real = np.arange(part.values.shape[1]) < part.lengths[:, None]
    return part.values[real & part.present[:, None]]  # type: ignore[return-value]
