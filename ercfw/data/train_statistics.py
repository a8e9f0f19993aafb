"""Compute the statistics of the training split that parts are made with."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ercfw.contract.conversation import Conversation, ConversationStream
from ercfw.contract.data_info import DataInfo, ModalitySpec, StreamKind, TargetSpec
from ercfw.contract.stored_streams import gather, vocabulary
from ercfw.contract.targets import Target, as_target, hard_labels, has_label

BLOCK = 16
"""Conversations per step of the statistics: few, so that their float64 copy stays in the CPU cache."""


def make_data_info(train: Sequence[Conversation], targets: Mapping[str, Target | tuple[str, ...]]) -> DataInfo:
    """Compute the statistics of the targets, and the widths, means and standard deviations of the training split."""
    return DataInfo(
        targets=describe_targets(train, targets),
        modalities={name: _describe_modality(train, name) for name in train[0].streams},
        speakers=max(int(conversation.speaker_numbers.max()) + 1 for conversation in train),
    )


def describe_targets(
    train: Sequence[Conversation], targets: Mapping[str, Target | tuple[str, ...]]
) -> dict[str, TargetSpec]:
    """Count the utterances of each class and label in the training split, and compute the moments of numbers."""
    labels = {name: np.concatenate([conversation.labels[name] for conversation in train]) for name in targets}
    specs = {name: _describe_target(as_target(declared), labels[name]) for name, declared in targets.items()}
    agreed = {name for conversation in train for name in conversation.agreement}
    return {name: replace(spec, has_agreement=True) if name in agreed else spec for name, spec in specs.items()}


def _describe_target(target: Target, labels: NDArray[Any]) -> TargetSpec:
    known = labels[has_label(labels)]
    if target.kind == "regression":
        numbers = known.astype(np.float64)  # [N, C]
        mean = numbers.mean(0) if len(numbers) else np.zeros(len(target.names))
        spread = numbers.std(0) if len(numbers) else np.ones(len(target.names))
        moments = tuple(mean.tolist()), tuple(np.where(spread > 0, spread, 1).tolist())
        counted = (len(known),) * len(target.names)
        return TargetSpec(target.names, counted, target.kind, target.ranges, False, *moments, labelled=len(known))
    hard = hard_labels(target.kind, known)
    counts = hard.sum(0) if target.kind == "multilabel" else np.bincount(hard, minlength=len(target.names))
    rows = len(known) if target.kind == "multilabel" else 0
    return TargetSpec(target.names, tuple(counts.tolist()), target.kind, soft=target.soft, labelled=rows)


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
    """Return the rows (or frames) that are neither absent nor padding, ``[rows, D]``."""
    if stream.lengths is None:
        return stream.values[stream.present]  # type: ignore[return-value]
    real = np.arange(stream.values.shape[1]) < stream.lengths[:, None]  # [N, T]
    return stream.values[real & stream.present[:, None]]  # type: ignore[return-value]


class Moments:
    """The running mean and sum of squares of rows that come block by block (Chan et al., 1979).

    Attributes:
        count: the number of rows so far.
        mean: ``[D]`` float64.
        spread: ``[D]`` float64, the sum of squared distances from the mean.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean: NDArray[np.float64] = np.zeros(1)
        self.spread: NDArray[np.float64] = np.zeros(1)

    def add(self, rows: NDArray[np.float64]) -> None:
        """Add rows ``[n, D]``; their content is overwritten."""
        if not len(rows):
            return
        mean = rows.mean(0)  # [D]
        rows -= mean
        difference, total = mean - self.mean, self.count + len(rows)  # [D]
        self.spread = self.spread + np.square(rows, out=rows).sum(0) + difference**2 * (self.count * len(rows) / total)
        self.mean = self.mean + difference * (len(rows) / total)
        self.count = total
