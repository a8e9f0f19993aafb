"""``[data.missing]``: utterances that are made to lack modalities, the same ones in every run."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ercfw.contract.conversation import Conversation, ConversationStream, UtteranceId
from ercfw.contract.stored_streams import StoredModality
from ercfw.recipe.schema import Missing

WHOLE = 2.0**64


def kept(ids: Sequence[UtteranceId], modality: str, missing: Missing) -> NDArray[np.bool_]:
    """``[N]`` which utterances keep a modality.

    It hangs on the seed and the names of utterance and modality alone, so it is the same in any order and for any
    model, and what a small share takes away, a larger one does, too.
    """
    if modality in missing.lacking:
        return np.zeros(len(ids), dtype=bool)
    places = [_place(f"{missing.seed}/{modality}/{conversation}/{utterance}") for conversation, utterance in ids]
    return np.array(places) >= missing.share


def _place(text: str) -> float:
    """A number from 0 to 1 that is as good as drawn by lot."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) / WHOLE


def kept_of(splits: Mapping[str, Sequence[Conversation]], modality: str, missing: Missing) -> NDArray[np.bool_]:
    """Likewise of all splits after one another; utterances of splits that ``missing`` does not name keep all."""
    parts = [np.zeros(0, dtype=bool)]
    for split, conversations in splits.items():
        ids = [id for conversation in conversations for id in conversation.ids]
        parts.append(kept(ids, modality, missing) if split in missing.splits else np.ones(len(ids), dtype=bool))
    return np.concatenate(parts)


def without_stored(stored: StoredModality, keeps: NDArray[np.bool_]) -> StoredModality:
    """A modality as it is stored, absent where an utterance does not keep it: ``[R]``."""
    lengths = None if stored.lengths is None else np.where(keeps, stored.lengths, 0)
    return replace(stored, present=stored.present & keeps, lengths=lengths)


def without(stream: ConversationStream, keeps: NDArray[np.bool_]) -> ConversationStream:
    """A conversation's own stream, absent where an utterance does not keep it: ``[U]``."""
    there = keeps.reshape(-1, *[1] * (stream.values.ndim - 1))  # [U, 1, ...]
    lengths = None if stream.lengths is None else np.where(keeps, stream.lengths, 0)
    return ConversationStream(np.where(there, stream.values, 0), stream.present & keeps, lengths)
