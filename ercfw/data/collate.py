"""Pack conversations into a batch."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ercfw.contract.batch import Batch, Inputs, Layout, Stream, TeacherOutput
from ercfw.contract.conversation import Conversation, ConversationStream, ConversationTeacher
from ercfw.contract.stored_streams import gather
from ercfw.data.packing import pack


def collate(conversations: Sequence[Conversation]) -> Batch:
    """Pack conversations one after another into a batch; all must have the same modalities and targets."""
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
    teachers = {run: _teacher([c.teachers[run] for c in conversations]) for run in conversations[0].teachers}
    agreement = {
        name: torch.from_numpy(np.concatenate([c.agreement[name] for c in conversations]))  # [N]
        for name in conversations[0].agreement
    }
    return Batch(inputs, targets, ids, teacher, teachers, agreement)


def _teacher(outputs: Sequence[ConversationTeacher]) -> TeacherOutput:
    """Pack the outputs of one teacher for several conversations."""

    def join(groups: Sequence[Mapping[str, NDArray[Any]]]) -> dict[str, torch.Tensor]:
        return {name: torch.from_numpy(np.concatenate([group[name] for group in groups])) for name in groups[0]}

    return TeacherOutput(
        logits=join([output.logits for output in outputs]),
        embeddings=join([output.embeddings for output in outputs]),
        views=join([output.views for output in outputs]),
        present=join([output.present for output in outputs]),
    )


def make_layout(sizes: Sequence[int], speakers: Sequence[NDArray[np.int64]]) -> Layout:
    """Make the layout of conversations with these sizes and speaker numbers (``[U]`` per conversation)."""
    lengths = np.array(sizes, dtype=np.int64)
    conversation = np.repeat(np.arange(len(lengths)), lengths)  # [N]
    starts = np.cumsum(lengths) - lengths  # [B]
    rows = np.arange(lengths.sum())  # [N]
    position = rows - starts[conversation]  # [N]
    longest = int(lengths.max())
    speaker = np.concatenate(speakers)  # [N]
    slots, groups = pack(sizes)  # [B]
    return Layout(
        lengths=torch.from_numpy(lengths),
        index=torch.from_numpy(conversation * longest + position),
        conversation=torch.from_numpy(conversation),
        position=torch.from_numpy(position),
        previous=torch.from_numpy(np.where(position > 0, rows - 1, -1)),
        previous_same_speaker=torch.from_numpy(_previous_of_same(conversation, speaker)),
        mask=torch.from_numpy(np.arange(longest) < lengths[:, None]),  # [B, U]
        slot=torch.from_numpy(slots[conversation] + position),
        row=torch.from_numpy(rows),
        sizes=tuple(int(size) for size in lengths),
        speakers=int(speaker.max()) + 1,
        bins=groups,
    )


def _previous_of_same(conversation: NDArray[np.int64], speaker: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return ``[N]`` the row of the previous utterance by the same speaker in the same conversation, or -1."""
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


def batches(conversations: Sequence[Conversation], size: int) -> Iterable[Sequence[Conversation]]:
    """Yield the conversations, ``size`` at a time."""
    return (conversations[start : start + size] for start in range(0, len(conversations), size))
