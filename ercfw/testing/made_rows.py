"""Rows of a batch for losses: conversations in which speakers speak twice, and emotions last and change."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from ercfw.contract.batch import Outputs, Rows, map_tensors
from ercfw.data.collate import make_layout

SPEAKERS = ((0, 0, 0, 1, 0), (0, 1, 0, 1), (0,), (0, 0))
"""The speakers of each conversation; the conversation of a single utterance breaks code that needs a neighbour."""
CLASSES = (0, 1, 1, 0, 0, 2, 3, 2, 2, 3, 2, 3)
"""After an utterance of the same speaker, and after one of another, the class stays at times, and changes at times."""


def made_rows(rows: int) -> Rows:
    """Return the order of the first ``rows`` utterances, which may cut a conversation."""
    return _rows_of(_conversations(rows))


def made_classes(rows: int) -> Sequence[int]:
    """Return the classes of the first ``rows`` utterances, from 0 to 3."""
    return CLASSES[:rows]


def in_reverse(outputs: Outputs) -> tuple[Outputs, Tensor]:
    """Return the outputs with the last conversation first, and the row that each row was before: ``[N]``.

    The utterances of a conversation keep their order, as they do in the batches of a run.
    """
    conversation = outputs.rows.conversation
    order = torch.argsort(-conversation, stable=True)  # [N]
    turned: Outputs = map_tensors(outputs, lambda x: x[order])
    rows = _rows_of(_conversations(len(order))[::-1])
    second = None if turned.second is None else replace(turned.second, rows=rows)
    return replace(turned, rows=rows, second=second), order


def _conversations(rows: int) -> Sequence[Sequence[int]]:
    """Return the speakers of each conversation, up to so many utterances."""
    starts = np.cumsum([0, *map(len, SPEAKERS)])
    cut = [speakers[: rows - start] for speakers, start in zip(SPEAKERS, starts, strict=False) if start < rows]
    if sum(map(len, cut)) < rows:
        raise ValueError(f"there are {sum(map(len, SPEAKERS))} made-up utterances, not {rows}")
    return cut


def _rows_of(conversations: Sequence[Sequence[int]]) -> Rows:
    speakers = [np.array(conversation) for conversation in conversations]
    layout = make_layout([len(conversation) for conversation in conversations], speakers)
    speaker = torch.from_numpy(np.concatenate(speakers))  # [N]
    return Rows(layout.conversation, layout.previous, layout.previous_same_speaker, speaker)
