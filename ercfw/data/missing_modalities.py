"""Hide modalities from utterances as ``[data.missing]`` asks: from the same utterances in every run."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from ercfw.contract.conversation import Conversation, ConversationStream, UtteranceId
from ercfw.contract.stored_streams import StoredModality
from ercfw.recipe.schema import Missing

HASH_RANGE = 2.0**64


def keep_mask_of_splits(
    splits: Mapping[str, Sequence[Conversation]], modality: str, missing: Missing
) -> NDArray[np.bool_]:
    """Return ``[R]`` which utterances keep a modality, for all splits in turn.

    Utterances of splits that ``missing`` does not name keep every modality.
    """
    parts = [np.zeros(0, dtype=bool)]
    for split, conversations in splits.items():
        ids = [id for conversation in conversations for id in conversation.ids]
        chosen = keep_mask(ids, modality, missing) if split in missing.splits else np.ones(len(ids), dtype=bool)
        parts.append(chosen)
    return np.concatenate(parts)  # [R]


def keep_mask(ids: Sequence[UtteranceId], modality: str, missing: Missing) -> NDArray[np.bool_]:
    """Return ``[N]`` which of these utterances keep a modality.

    The mask depends only on the seed and on the names of utterance and modality. So it does not depend on the order
    of utterances or on the model, and a larger share hides all that a smaller share hides.
    """
    if modality in missing.lacking:
        return np.zeros(len(ids), dtype=bool)
    numbers = [_pseudo_random(f"{missing.seed}/{modality}/{conversation}/{id}") for conversation, id in ids]
    return np.array(numbers) >= missing.share


def _pseudo_random(text: str) -> float:
    """Return a deterministic pseudo-random number from 0 to 1 for a text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) / HASH_RANGE


def mask_stored(stored: StoredModality, keep: NDArray[np.bool_]) -> StoredModality:
    """Return a stored modality that is absent where ``keep``, ``[R]``, is false."""
    lengths = None if stored.lengths is None else np.where(keep, stored.lengths, 0)
    return replace(stored, present=stored.present & keep, lengths=lengths)


def mask_stream(stream: ConversationStream, keep: NDArray[np.bool_]) -> ConversationStream:
    """Return the stream of a conversation, absent where ``keep``, ``[U]``, is false."""
    there = keep.reshape(-1, *[1] * (stream.values.ndim - 1))  # [U, 1, ...]
    lengths = None if stream.lengths is None else np.where(keep, stream.lengths, 0)
    return ConversationStream(np.where(there, stream.values, 0), stream.present & keep, lengths)
