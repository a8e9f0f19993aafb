"""What a plugin of each kind must offer.

Positional constructor parameters are wired by the core; keyword-only ones are what a recipe may set,
and their type hints are the recipe's schema. Shapes: N utterances of a batch, U of a conversation,
T frames or tokens, D width, C classes, E width of an embedding.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from ercfw.batch import HeadOutput, Inputs, Outputs, Stream
from ercfw.conversations import Conversation, UtteranceId
from ercfw.errors import InputError
from ercfw.features import FeatureTable
from ercfw.info import DataInfo, ModalitySpec

Split = Literal["train", "dev", "test"]


@dataclass(frozen=True)
class Provenance:
    """Where data came from.

    Attributes:
        source: in words, such as ``MELD, three annotation files``.
        simulated: True stamps everything that a run leaves behind.
        files: sha256 of each real file read.
    """

    source: str
    simulated: bool = False
    files: Mapping[str, str] = field(default_factory=dict)


class Dataset(ABC):
    """Conversations of a corpus.

    Attributes:
        targets: the class names of each target.
        modalities: the streams that the dataset can bring itself.
        provenance: where it came from.
    """

    targets: Mapping[str, tuple[str, ...]]
    modalities: tuple[str, ...]
    provenance: Provenance

    @abstractmethod
    def split(self, name: Split) -> Sequence[Conversation]:
        """The conversations of a split, in the order of the source; streams may be left out of them."""

    @property
    def rows(self) -> Sequence[UtteranceId]:
        """Every utterance of the source, dropped ones too, in the order of a feature file without ids."""
        return [id for name in ("train", "dev", "test") for c in self.split(name) for id in c.ids]

    @property
    def source_train(self) -> frozenset[UtteranceId]:
        """What the makers of the corpus call train: a dev split cut out of it belongs to it."""
        return frozenset(id for conversation in self.split("train") for id in conversation.ids)

    def features(self, modality: str) -> FeatureTable:
        """The values of a modality that the conversations do not carry themselves.

        Raises:
            InputError: there are none, or they do not fit.
        """
        raise InputError.at(f"[data] modalities: {modality}", "this dataset has no such stream")

    def draw(self, modality: str, width: int) -> FeatureTable:
        """Values of that width for a modality; asked only of data whose provenance says simulated."""
        raise InputError.at(f"[features.{modality}]", "this dataset draws no streams")


class Extractor(ABC):
    """Turns the raw utterances of a conversation into features; frozen.

    Attributes:
        reads: what it needs of an utterance.
        dim: D of what it gives.
    """

    reads: ClassVar[Literal["text", "audio", "visual"]]
    dim: int

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """A hash of everything but the conversation that decides the values: settings, weights."""

    @abstractmethod
    def extract(self, conversation: Conversation) -> Sequence[NDArray[Any] | None]:
        """U arrays, ``[D]`` or ``[T, D]`` float32 or ``[T]`` int64; None = absent."""


class Encoder(nn.Module):
    """Turns one modality into vectors; made with ``(spec, info, *, options)``."""

    out_dim: int

    def __init__(self, spec: ModalitySpec, info: DataInfo) -> None:
        super().__init__()

    def forward(self, stream: Stream, inputs: Inputs) -> Tensor:
        """``[N, out_dim]``."""
        raise NotImplementedError  # abstract


class Context(nn.Module):
    """Lets the utterances of a conversation know each other; made with ``(dim, info, *, options)``.

    A context may offer ``together(blocks, xs, inputs) -> list of [N, out_dim]``, a static method that
    runs several modalities at once; the core calls it instead of ``forward`` for blocks of one class.
    """

    out_dim: int
    causal: bool = False

    def __init__(self, dim: int, info: DataInfo) -> None:
        super().__init__()

    def forward(self, x: Tensor, inputs: Inputs) -> Tensor:
        """``[N, D] -> [N, out_dim]``."""
        raise NotImplementedError  # abstract


@dataclass(frozen=True)
class Fused:
    """What a fusion that keeps modalities apart gives: ``joint`` ``[N, out_dim]``, ``views`` ``[N, D]`` each."""

    joint: Tensor
    views: dict[str, Tensor]


class FusionBlock(nn.Module):
    """Makes one vector of several modalities; made with ``({modality: dim}, info, *, options)``."""

    out_dim: int
    causal: bool = False

    def __init__(self, dims: dict[str, int], info: DataInfo) -> None:
        super().__init__()

    def forward(self, xs: dict[str, Tensor], inputs: Inputs) -> Tensor | Fused:
        """``{m: [N, D_m]} -> [N, out_dim]``, or ``Fused``."""
        raise NotImplementedError  # abstract


class Head(nn.Module):
    """Names the class of each utterance; made with ``(dim, target, info, *, options)``."""

    causal: bool = False

    def __init__(self, dim: int, target: str, info: DataInfo) -> None:
        super().__init__()

    def forward(self, x: Tensor, inputs: Inputs) -> HeadOutput:
        """``[N, D] -> logits [N, C], embedding [N, E]``."""
        raise NotImplementedError  # abstract


class Model(nn.Module):
    """A whole network, for methods that do not come apart; made with ``(info, *, options)``."""

    causal: bool = False

    def __init__(self, info: DataInfo) -> None:
        super().__init__()

    def forward(self, inputs: Inputs) -> Outputs:
        """``Outputs`` with a head for every target."""
        raise NotImplementedError  # abstract


class Loss(nn.Module):
    """A scalar over a whole batch; made with ``(target, info, *, options)``.

    It sees all rows of the batch, in however many processes and parts the model ran them. Rows at -100 are
    skipped (``ercfw.batch.labelled`` gives the mask). With nothing to read a loss is 0 with gradients of
    zero, never NaN.

    Attributes:
        requires: ``views``, ``embedding`` or the name of an extra that must be there.
    """

    requires: tuple[str, ...] = ()

    def __init__(self, target: str, info: DataInfo) -> None:
        super().__init__()
        self.target = target

    def forward(self, outputs: Outputs, targets: dict[str, Tensor]) -> Tensor:
        """``[]``, to be minimised."""
        raise NotImplementedError  # abstract


class Metric(Protocol):
    """Scores predictions: one number, or one a class."""

    def __call__(
        self, true: NDArray[np.int64], probabilities: NDArray[np.float32], classes: Sequence[str]
    ) -> float | NDArray[np.float64]:
        """``true`` ``[N]``, ``probabilities`` ``[N, C]`` -> a float, or ``[C]``."""
        ...
