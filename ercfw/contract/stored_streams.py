"""Streams that stay in memory or on disk until a batch needs their rows."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ercfw.contract.conversation import Conversation, ConversationStream


@dataclass(frozen=True)
class StoredModality:
    """One modality of all utterances of a corpus, one row each; the values may be a file larger than memory.

    Attributes:
        values: vectors or frames ``[any, D]`` of any number type, tokens ``[any]``.
        starts: ``[R]`` int64, the place in ``values`` where each row begins.
        present: ``[R]`` bool.
        lengths: ``[R]`` int64, the number of frames or tokens of each row, 0 if it is absent; None for vectors.
        dim: D; for tokens the size of the vocabulary.
    """

    values: NDArray[Any]
    starts: NDArray[np.int64]
    present: NDArray[np.bool_]
    lengths: NDArray[np.int64] | None
    dim: int

    def read(self, rows: NDArray[np.int64]) -> ConversationStream:
        """Return a copy of the rows ``[N]`` as a stream; values are copied only here on the way to a batch."""
        present, starts = self.present[rows], self.starts[rows]  # [N], [N]
        if self.lengths is None:
            values = self.values.take(starts, axis=0).astype(np.float32, copy=False)  # [N, D]
            values[~present] = 0
            return ConversationStream(values, present)
        lengths = self.lengths[rows]  # [N]
        shape = (len(rows), max(1, int(lengths.max(initial=0))), *self.values.shape[1:])
        padded = np.zeros(shape, dtype=np.int64 if self.values.ndim == 1 else np.float32)  # [N, T, ...]
        for row, start, length in zip(padded, starts.tolist(), lengths.tolist(), strict=True):
            row[:length] = self.values[start : start + length]
        return ConversationStream(padded, present, lengths)


@dataclass(frozen=True, slots=True, eq=False)
class StoredStreams(Mapping[str, ConversationStream]):
    """The streams of one conversation, each read when it is accessed.

    Attributes:
        stored: the modalities in order, shared by all conversations; None for one that conversations hold themselves.
        rows: the rows of the conversation in the stored modalities.
        carried: the streams that the conversation holds itself.
    """

    stored: Mapping[str, StoredModality | None]
    rows: range
    carried: Mapping[str, ConversationStream]

    def __getitem__(self, modality: str) -> ConversationStream:
        store = self.stored[modality]
        return self.carried[modality] if store is None else store.read(np.arange(self.rows.start, self.rows.stop))

    def __iter__(self) -> Iterator[str]:
        return iter(self.stored)

    def __len__(self) -> int:
        return len(self.stored)


def gather(conversations: Sequence[Conversation], modalities: Iterable[str]) -> dict[str, ConversationStream]:
    """Return the modalities of several conversations, concatenated; each value is copied once."""
    stored, rows = _shared(conversations)
    return {
        modality: store.read(rows)
        if (store := stored.get(modality)) is not None
        else _join([conversation.streams[modality] for conversation in conversations])
        for modality in modalities
    }


def vocabulary(conversations: Sequence[Conversation], modality: str) -> int:
    """Return the size of a stored modality's vocabulary; 0 if the conversations hold the modality themselves."""
    stored, _ = _shared(conversations)
    store = stored.get(modality)
    return 0 if store is None else store.dim


def presence(conversations: Sequence[Conversation], modality: str) -> NDArray[np.bool_]:
    """Return which utterances have a modality, ``[N]``, without reading values."""
    stored, rows = _shared(conversations)
    if (store := stored.get(modality)) is not None:
        return store.present[rows]
    return np.concatenate([np.zeros(0, bool), *(c.streams[modality].present for c in conversations)])


def _shared(conversations: Sequence[Conversation]) -> tuple[Mapping[str, StoredModality | None], NDArray[np.int64]]:
    """Return the storage that all of them share, and their rows ``[N]`` in it; nothing if they do not share one."""
    streams = [c.streams for c in conversations if isinstance(c.streams, StoredStreams)]
    if not streams or len(streams) < len(conversations) or any(s.stored is not streams[0].stored for s in streams):
        return {}, np.zeros(0, np.int64)
    return streams[0].stored, np.fromiter(chain.from_iterable(s.rows for s in streams), np.int64)


def _join(parts: Sequence[ConversationStream]) -> ConversationStream:
    present = np.concatenate([part.present for part in parts])  # [N]
    if parts[0].lengths is None:
        return ConversationStream(np.concatenate([part.values for part in parts]), present)
    lengths = np.concatenate([part.lengths for part in parts if part.lengths is not None])  # [N]
    longest = max(part.values.shape[1] for part in parts)
    values = np.zeros((len(present), longest, *parts[0].values.shape[2:]), parts[0].values.dtype)  # [N, T, ...]
    row = 0
    for part in parts:
        values[row : row + len(part.values), : part.values.shape[1]] = part.values
        row += len(part.values)
    return ConversationStream(values, present, lengths)
