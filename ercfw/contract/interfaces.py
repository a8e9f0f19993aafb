"""What a plugin of each kind must offer.

Positional constructor parameters are wired by the core; keyword-only ones are what a recipe may set,
and their type hints are the recipe's schema. Shapes: N utterances of a batch, U of a conversation,
T frames or tokens, D width, C classes, E width of an embedding.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from ercfw.contract.batch import HeadOutput, Inputs, Outputs, Stream
from ercfw.contract.conversation import SPLITS, Clip, Conversation, Split, UtteranceId
from ercfw.contract.data_info import DataInfo, ModalitySpec, StreamKind
from ercfw.contract.feature_table import FeatureTable, FittedOn
from ercfw.contract.former_names import AcceptsPublicLayout
from ercfw.contract.provenance import Provenance
from ercfw.contract.public_file import PublicFile
from ercfw.contract.published import Published
from ercfw.errors import BrokenClipError, InputError


class Dataset(AcceptsPublicLayout, ABC):
    """Conversations of a corpus.

    Attributes:
        targets: the class names of each target.
        modalities: the streams that the dataset can bring itself.
        provenance: where it came from.
        broken: utterances whose clips or times are known to be wrong.
        published_counts: of each split how many utterances each class of the first target has, as published.
        public_files: what ``ercfw data fetch`` gets.
        public_format: the format of those that hold features.
        transcript_columns: the names that the corpus' own tables have for the columns ``conversation``,
            ``utterance``, ``speaker``, ``text``, ``start`` and ``end``. ``ercfw predict`` recognises such a table if
            it has all that are listed here. Empty = the corpus has no table.
        transcript_clip: the name of an utterance's clip in such a table, such as
            ``dia{conversation}_utt{utterance}``; empty = the clip is named like the utterance.
    """

    targets: Mapping[str, tuple[str, ...]]
    modalities: tuple[str, ...]
    provenance: Provenance
    broken: frozenset[UtteranceId] = frozenset()
    published_counts: Mapping[str, tuple[int, ...]] = MappingProxyType({})
    public_files: tuple[PublicFile, ...] = ()
    public_format: str = ""
    transcript_columns: Mapping[str, str] = MappingProxyType({})
    transcript_clip: str = ""

    @classmethod
    def table_to_make(cls, root: Path) -> Path | None:
        """Where an import may write a table of utterances; None = annotations are there, or are no such table."""
        return None

    @abstractmethod
    def split(self, name: Split) -> Sequence[Conversation]:
        """The conversations of a split, in the order of the source; streams may be left out of them."""

    @property
    def rows(self) -> Sequence[UtteranceId]:
        """Every utterance of the source, dropped ones too, in the order of a feature file without ids."""
        return [id for name in SPLITS for c in self.split(name) for id in c.ids]

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

    def check_clips(self) -> list[str]:
        """What is doubtful about the clips, found by opening every one of them."""
        return []

    def draw(self, modality: str, width: int, tokens: bool = False) -> FeatureTable:
        """Vectors of that width, or tokens of as many kinds; asked only of data whose provenance says simulated."""
        raise InputError.at(f"[features.{modality}]", "this dataset draws no streams")


class FileFormat(ABC):
    """Feature files as other projects keep them.

    Attributes:
        slots: the streams that the files can hold.
        needed: those of them without which the other projects' readers fail.
    """

    slots: tuple[str, ...]
    needed: tuple[str, ...] = ()

    @abstractmethod
    def read(self, path: Path) -> Published:
        """What the files at ``path``, a folder or one of them, hold.

        Raises:
            InputError: they are missing, damaged, or of another format.
        """

    def write(self, published: Published, folder: Path) -> list[Path]:
        """Write such files, and tell which.

        Raises:
            InputError: this format is read only.
        """
        raise InputError.at("--format", "this format is only read")


@dataclass(frozen=True)
class Broken:
    """In place of an utterance's features: its clip could not be read, and why."""

    why: str


class Extractor(ABC):
    """Turns the raw utterances of a conversation into features; frozen.

    Attributes:
        reads: what it needs of an utterance.
        kind: what it gives an utterance: a vector, frames, or tokens.
        dim: D of what it gives; the size of the vocabulary for tokens.
        causal: it reads no later utterance of the conversation.
        stamps: words that must stand on everything made from its features.
        notice: what whoever uses it must know, such as a licence; told each time.
    """

    reads: Literal["text", "audio", "visual"]
    kind: StreamKind = "vector"
    dim: int
    causal: bool = True
    stamps: tuple[str, ...] = ()
    notice: str = ""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """A hash of everything but the conversation that decides the values: settings, weights."""

    @abstractmethod
    def extract(self, conversation: Conversation) -> Sequence[NDArray[Any] | Broken | None]:
        """U arrays, ``[D]`` or ``[T, D]`` float32 or ``[T]`` int64; None = absent."""

    def fitted_on(self, conversations: Sequence[Conversation]) -> FittedOn:
        """Which of these conversations' utterances its maker had seen with their labels."""
        return "nothing"


class ClipExtractor(Extractor):
    """An extractor that reads every clip by itself; each is kept in the cache as soon as it is made."""

    @abstractmethod
    def extract_clip(self, clip: Clip) -> NDArray[Any] | None:
        """One array as ``extract`` gives; None when there is nothing to read in the clip.

        Raises:
            BrokenClipError: the clip cannot be read.
        """

    def extract(self, conversation: Conversation) -> Sequence[NDArray[Any] | Broken | None]:
        """U arrays, one a clip; an utterance without a clip is absent."""
        return [self._try(clip) for clip in conversation.clips or (None,) * len(conversation)]

    def _try(self, clip: Clip | None) -> NDArray[Any] | Broken | None:
        try:
            return None if clip is None else self.extract_clip(clip)
        except BrokenClipError as error:
            return Broken(str(error))


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

    A context may run several modalities in one call: see ``ercfw.SupportsTogether``.
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
    skipped (``ercfw.labelled`` gives the mask). With nothing to read a loss is 0 with gradients of
    zero, never NaN.

    Attributes:
        requires: ``views``, ``embedding``, ``auxiliary`` or the name of an extra that must be there.
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
