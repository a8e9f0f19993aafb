"""Base classes of parts: what a plugin of each kind must offer.

The core passes the positional parameters of a constructor. A recipe may set the keyword-only ones, whose type hints are
the recipe's schema. Shapes: N utterances of a batch, U utterances of a conversation, T frames or tokens, D width,
C classes, E width of an embedding.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

from numpy.typing import NDArray
from torch import Tensor, nn

from ercfw.contract.batch import HeadOutput, Inputs, Outputs, Stream
from ercfw.contract.conversation import SPLITS, Clip, Conversation, Split, UtteranceId
from ercfw.contract.data_info import DataInfo, ModalitySpec, StreamKind
from ercfw.contract.feature_table import FeatureTable, FittedOn
from ercfw.contract.former_names import AcceptsPublicLayout
from ercfw.contract.part_outputs import ContextOutput, Fused
from ercfw.contract.provenance import Provenance
from ercfw.contract.public_file import PublicFile
from ercfw.contract.targets import Target, TargetForm, TargetKind
from ercfw.contract.widths import Widths
from ercfw.errors import BrokenClipError, InputError


class Dataset(AcceptsPublicLayout, ABC):
    """The conversations of a corpus.

    Attributes:
        targets: what each target is; a tuple of names declares classes.
        modalities: the modalities that the dataset itself can provide.
        provenance: where the data came from.
        broken: utterances whose clips or times are known to be wrong.
        published_counts: for each split, the published number of utterances of each class of the first target.
        public_files: the files that ``ercfw data fetch`` downloads.
        public_format: the format of those that hold features.
        transcript_columns: the names that the corpus' own tables have for the columns ``conversation``,
            ``utterance``, ``speaker``, ``text``, ``start`` and ``end``. ``ercfw predict`` recognises such a table if
            it has all that are listed here. Several columns may together name a conversation. Empty = the corpus has
            no table.
        transcript_clip: the name of an utterance's clip in such a table, such as
            ``dia{conversation}_utt{utterance}``; empty = the clip is named like the utterance.
    """

    targets: Mapping[str, tuple[str, ...] | Target]
    modalities: tuple[str, ...]
    provenance: Provenance
    broken: frozenset[UtteranceId] = frozenset()
    published_counts: Mapping[str, tuple[int, ...]] = MappingProxyType({})
    public_files: tuple[PublicFile, ...] = ()
    public_format: str = ""
    transcript_columns: Mapping[str, str | tuple[str, ...]] = MappingProxyType({})
    transcript_clip: str = ""

    @staticmethod
    def transcript_speaker(field: str) -> str:
        """Return the speaker that a cell of such a table names; by default the cell itself.

        Raises:
            ValueError: the cell names no speaker; the message says why.
        """
        return field

    @classmethod
    def table_to_make(cls, root: Path) -> Path | None:
        """Return where an import may write a table of utterances; None if there are annotations, or no such table."""
        return None

    @abstractmethod
    def split(self, name: Split) -> Sequence[Conversation]:
        """Return the conversations of a split in the order of the source; their streams may be left out."""

    @property
    def rows(self) -> Sequence[UtteranceId]:
        """Return every utterance of the source, including dropped ones, in the order of a feature file without ids."""
        return [id for name in SPLITS for c in self.split(name) for id in c.ids]

    @property
    def source_train(self) -> frozenset[UtteranceId]:
        """Return the training utterances of the published corpus, including a dev split that was taken from them."""
        return frozenset(id for conversation in self.split("train") for id in conversation.ids)

    def features(self, modality: str) -> FeatureTable:
        """Return the values of a modality that is not in the conversations themselves.

        Raises:
            InputError: there are none, or they do not match the utterances.
        """
        raise InputError.at(f"[data] modalities: {modality}", "this dataset does not provide it")

    def check_clips(self) -> list[str]:
        """Open every clip and return a warning for each problem."""
        return []

    def draw(self, modality: str, width: int, tokens: bool = False) -> FeatureTable:
        """Draw random vectors of a width, or tokens from a vocabulary of that size; called for simulated data only."""
        raise InputError.at(f"[features.{modality}]", "this dataset cannot draw random features")


@dataclass(frozen=True)
class Broken:
    """Stands in place of the features of an utterance whose clip could not be read, with the reason."""

    why: str


class Extractor(ABC):
    """Computes features of the raw utterances of a conversation; it is never trained.

    Attributes:
        reads: what it reads of an utterance.
        kind: what it returns for an utterance: a vector, frames or tokens.
        dim: D of what it returns; for tokens the size of the vocabulary.
        causal: True if it reads no later utterance of the conversation.
        stamps: words that must appear on everything made from its features.
        notice: what its users must know, such as a licence; shown each time.
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
        """Return a hash of everything that decides the values, except the conversation: settings, weights."""

    @abstractmethod
    def extract(self, conversation: Conversation) -> Sequence[NDArray[Any] | Broken | None]:
        """Return U arrays, ``[D]`` or ``[T, D]`` float32 or ``[T]`` int64; None = absent."""

    def fitted_on(self, conversations: Sequence[Conversation]) -> FittedOn:
        """Return those of these utterances whose labels were used to make the extractor."""
        return "nothing"


class ClipExtractor(Extractor):
    """An extractor that reads each clip by itself; each result is cached as soon as it is computed."""

    @abstractmethod
    def extract_clip(self, clip: Clip) -> NDArray[Any] | None:
        """Return one array, as in ``extract``; None if the clip has nothing to read.

        Raises:
            BrokenClipError: the clip cannot be read.
        """

    def extract(self, conversation: Conversation) -> Sequence[NDArray[Any] | Broken | None]:
        """Return U arrays, one per clip; an utterance without a clip is absent."""
        return [self._extract_or_broken(clip) for clip in conversation.clips or (None,) * len(conversation)]

    def _extract_or_broken(self, clip: Clip | None) -> NDArray[Any] | Broken | None:
        try:
            return None if clip is None else self.extract_clip(clip)
        except BrokenClipError as error:
            return Broken(str(error))


class Encoder(nn.Module):
    """Turns one modality into vectors; constructed with ``(spec, info, *, options)``."""

    out_dim: int

    def __init__(self, spec: ModalitySpec, info: DataInfo) -> None:
        super().__init__()

    def forward(self, stream: Stream, inputs: Inputs) -> Tensor:
        """Return the vectors ``[N, out_dim]``."""
        raise NotImplementedError  # abstract


class Context(nn.Module):
    """Lets utterances read others of their conversation; constructed with ``(dim, info, *, options)``.

    A context may run several modalities in one call: see ``ercfw.SupportsTogether``.
    """

    out_dim: int
    causal: bool = False

    def __init__(self, dim: int, info: DataInfo) -> None:
        super().__init__()

    def forward(self, x: Tensor, inputs: Inputs) -> Tensor | ContextOutput:
        """Compute ``[N, D] -> [N, out_dim]``, or return ``ContextOutput``."""
        raise NotImplementedError  # abstract


class FusionBlock(nn.Module):
    """Makes one vector of several modalities; constructed with ``({modality: dim}, info, *, options)``.

    Attributes:
        out_dim: the width of the vector.
        causal: True if row n reads no later utterance of its conversation.
        view_dims: the width of each view that the fusion returns, for heads that read views; None = the widths that the
            fusion was given.
    """

    out_dim: int
    causal: bool = False
    view_dims: Mapping[str, int] | None = None

    def __init__(self, dims: dict[str, int], info: DataInfo) -> None:
        super().__init__()

    def forward(self, xs: dict[str, Tensor], inputs: Inputs) -> Tensor | Fused:
        """Compute ``{m: [N, D_m]} -> [N, out_dim]``, or return ``Fused``."""
        raise NotImplementedError  # abstract


class Head(nn.Module):
    """Answers for each utterance; constructed with ``(dim, target, info, views, *, options)``.

    ``views`` is the width of each modality's view. A head that reads the views themselves takes them in ``forward``:
    see ``ercfw.SupportsViews``.

    Attributes:
        serves: the kinds of targets that it answers for.
    """

    causal: bool = False
    serves: tuple[TargetKind, ...] = ("classes",)

    def __init__(self, dim: int, target: str, info: DataInfo, views: Mapping[str, int] | None = None) -> None:
        super().__init__()

    def forward(self, x: Tensor, inputs: Inputs) -> HeadOutput:
        """Compute ``[N, D] -> logits [N, C], embedding [N, E]``."""
        raise NotImplementedError  # abstract


class Model(nn.Module):
    """A whole network, for methods that cannot be split into parts; constructed with ``(info, *, options)``.

    Attributes:
        serves: the kinds of targets that it answers for.
    """

    causal: bool = False
    serves: tuple[TargetKind, ...] = ("classes",)

    def __init__(self, info: DataInfo) -> None:
        super().__init__()

    def forward(self, inputs: Inputs) -> Outputs:
        """Return ``Outputs`` with a head for every target."""
        raise NotImplementedError  # abstract


class Loss(nn.Module):
    """A scalar over a whole batch; constructed with ``(target, info, widths, *, options)``.

    A loss may have parameters. They are trained with those of the model and stored in checkpoints, but not in the
    trained model, since predictions do not need them. ``widths`` says how wide the model's outputs are; the core finds
    it out with one pass over made-up utterances if a loss takes it.

    A loss gets all rows of the batch, even if the model ran them in several processes or parts. It skips rows whose
    label is -100 or NaN (``ercfw.labelled`` returns the mask). If no row has a label, the loss and its gradients are
    0, never NaN.

    Attributes:
        serves: the forms of labels that it reads (``ercfw/contract/targets.py``).
        requires: what the outputs must hold: ``views``, ``embedding``, ``auxiliary`` or the name of an extra, which the
            model returns; ``teacher``, ``teacher.embedding``, ``teacher.views`` or ``second_pass``, which the core
            adds. The core reads those of the teacher from the class, before it makes the loss.
        detached: those of ``logits``, ``embedding``, ``auxiliary`` and ``views`` that the loss treats as constants,
            although it reads them. The conformance kit then expects no gradient for them.
    """

    serves: tuple[TargetForm, ...] = ("classes",)
    requires: tuple[str, ...] = ()
    detached: tuple[str, ...] = ()

    def __init__(self, target: str, info: DataInfo, widths: Widths | None = None) -> None:
        super().__init__()
        self.target = target

    def forward(self, outputs: Outputs, targets: dict[str, Tensor]) -> Tensor:
        """Return the scalar ``[]`` to minimise."""
        raise NotImplementedError  # abstract
