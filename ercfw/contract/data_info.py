"""Description of the training data, from which a model is built."""

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
        frames: the largest number of frames or tokens of an utterance; 1 for vectors.
        mean: the D means over the present values of train; empty for tokens.
        deviation: the D standard deviations (1 where a column is constant); empty for tokens.
    """

    kind: StreamKind
    dim: int
    frames: int = 1
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()


@dataclass(frozen=True)
class TargetSpec:
    """One target: its C class names, and the number of training utterances of each."""

    classes: tuple[str, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True)
class DataInfo:
    """Description of the training data, which parts receive and which is saved with the model.

    Attributes:
        targets: the targets to predict.
        modalities: the modalities to read.
        speakers: the largest number of speakers in a training conversation; a new conversation may have more.
    """

    targets: Mapping[str, TargetSpec]
    modalities: Mapping[str, ModalitySpec]
    speakers: int
