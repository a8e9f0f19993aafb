"""What a model is told about the data it is built for, taken from the training split."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

StreamKind = Literal["vector", "frames", "tokens"]


@dataclass(frozen=True)
class ModalitySpec:
    """One modality.

    Attributes:
        kind: ``vector`` ``[N, D]``, ``frames`` ``[N, T, D]`` or ``tokens`` ``[N, T]``.
        dim: D; for tokens the size of the vocabulary.
        frames: most frames or tokens of an utterance; 1 for vectors.
        mean: D means over the present values of train; empty for tokens.
        deviation: D standard deviations, likewise (1 where a column is constant).
    """

    kind: StreamKind
    dim: int
    frames: int = 1
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()


@dataclass(frozen=True)
class TargetSpec:
    """One target: C class names, and the training utterances of each."""

    classes: tuple[str, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class DataInfo:
    """The training data as parts see it; saved with the model.

    Attributes:
        targets: what is predicted.
        modalities: what is read.
        speakers: most speakers in a training conversation; one beyond it shares the last slot.
    """

    targets: Mapping[str, TargetSpec]
    modalities: Mapping[str, ModalitySpec]
    speakers: int
