"""Description of the training data, from which a model is built."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from ercfw.contract.targets import Ranges, TargetForm, TargetKind, form_of

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
    """One target.

    Attributes:
        classes: the names of its C classes, numbers or labels.
        counts: the number of training utterances of each class or label; for numbers, of the labelled ones. A share of
            annotators counts for the class that most of them chose, or for a label that half of them gave.
        kind: what the target is.
        ranges: for numbers, the lowest and highest value of each.
        soft: whether its labels are shares of annotators.
        mean: for numbers, the mean of each over train.
        deviation: for numbers, the standard deviation of each over train (1 where a number is constant).
        labelled: the number of labelled training utterances; 0 for classes, whose counts add up to it.
        has_agreement: whether the data tells which share of annotators agreed with each label.
    """

    classes: tuple[str, ...]
    counts: tuple[int, ...]
    kind: TargetKind = "classes"
    ranges: Ranges = ()
    soft: bool = False
    mean: tuple[float, ...] = ()
    deviation: tuple[float, ...] = ()
    labelled: int = 0
    has_agreement: bool = False

    @property
    def utterances(self) -> int:
        """Return the number of labelled training utterances."""
        return self.labelled or sum(self.counts)

    @property
    def form(self) -> TargetForm:
        """Return the form of its labels."""
        return form_of(self.kind, self.soft)


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
