"""Output of a saved run's encoder for a conversation."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from ercfw.contract.conversation import Conversation, ConversationStream
from ercfw.contract.data_info import ModalitySpec
from ercfw.contract.interfaces import Broken, Encoder
from ercfw.data.collate import collate
from ercfw.errors import InputError
from ercfw.model.composed_model import ComposedModel
from ercfw.predict.saved_run import SavedRun


def encoder_of(run: SavedRun, modality: str) -> Encoder:
    """Return the encoder of a modality.

    Raises:
        InputError: the run's model has no encoders.
    """
    if not isinstance(run.network, ComposedModel):
        raise InputError.at("run", "its [model] is one network, without encoders")
    encoder: Encoder = run.network.encoders[modality]  # type: ignore[assignment]
    return encoder


@torch.inference_mode()
def encode(
    run: SavedRun, modality: str, conversation: Conversation, raw: Sequence[NDArray[Any] | Broken | None]
) -> NDArray[np.float32]:
    """Return the encoder's output for each utterance, ``[U, out_dim]``.

    Args:
        run: the run whose encoder is used.
        modality: the modality that the encoder reads.
        conversation: the conversation, with U utterances.
        raw: what the run's extractor returned for them; without an array an utterance is absent, its row meaningless.
    """
    stream = _to_stream(raw, run.info.modalities[modality])
    batch = collate([replace(conversation, labels={}, streams={modality: stream})])
    inputs = batch.inputs.to(run.device)
    vectors: NDArray[np.float32] = encoder_of(run, modality)(inputs.streams[modality], inputs).float().cpu().numpy()
    return vectors


def _to_stream(raw: Sequence[NDArray[Any] | Broken | None], spec: ModalitySpec) -> ConversationStream:
    """Convert raw values to the form in which a conversation stores them."""
    arrays = [array if isinstance(array, np.ndarray) else None for array in raw]
    present = np.array([array is not None for array in arrays], dtype=bool)  # [U]
    lengths = np.array([0 if array is None else len(array) for array in arrays], dtype=np.int64)  # [U]
    frames = () if spec.kind == "vector" else (max(1, int(lengths.max(initial=0))),)
    width = () if spec.kind == "tokens" else (spec.dim,)
    values = np.zeros((len(arrays), *frames, *width), np.int64 if spec.kind == "tokens" else np.float32)  # [U, ...]
    for row, array in zip(values, arrays, strict=True):
        if array is not None:
            row[: len(array)] = array
    return ConversationStream(values, present, None if spec.kind == "vector" else lengths)
