"""What a part may offer beyond its base class; the core looks for these methods and uses them where they are.

A part need not name these protocols: it offers one by having its method.
"""

import inspect
from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from numpy.typing import NDArray
from torch import Tensor, nn

from ercfw.contract.batch import HeadOutput, Inputs
from ercfw.contract.conversation import Clip, Conversation
from ercfw.contract.interfaces import Extractor
from ercfw.contract.part_outputs import ContextOutput


@runtime_checkable
class SupportsTogether(Protocol):
    """A context that runs several modalities in one call.

    The core groups the contexts of a recipe by class and calls ``together`` once for each class, in place of one
    ``forward`` per modality. Use it where one loop over time can serve all modalities.
    """

    @staticmethod
    def together(blocks: Sequence[Any], xs: Sequence[Tensor], inputs: Inputs) -> Sequence[Tensor | ContextOutput]:
        """Run all blocks, each on its own input.

        Args:
            blocks: contexts of this class, one per modality.
            xs: the input ``[N, D]`` of each.
            inputs: the batch.

        Returns:
            the output ``[N, out_dim]`` of each block, equal to what its ``forward`` returns.
        """
        ...


class SupportsViews(Protocol):
    """A head that reads the modalities' views beside the joint vector, such as one with a classifier for each of them.

    It offers this by the parameter ``views`` of its ``forward``. Its constructor takes their widths as ``views``.
    """

    def forward(self, x: Tensor, inputs: Inputs, views: dict[str, Tensor] | None = None) -> HeadOutput:
        """Compute ``[N, D]`` and ``{m: [N, D_m]} -> logits [N, C], embedding [N, E], auxiliary [N, K, C]``.

        The core always passes ``views``: those of the fusion, or what the fusion was given if it returns none.
        """
        ...


def supports_views(head: type[nn.Module]) -> bool:
    """Return whether a class of heads reads views."""
    return "views" in inspect.signature(head.forward).parameters


@runtime_checkable
class SupportsParameterGroups(Protocol):
    """A module that names some of its parameters, so that ``[train.groups.NAME]`` can give them their own settings."""

    def parameter_groups(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """Return the parameters of each group, by the name that recipes use."""
        ...


@runtime_checkable
class SupportsParameterLayers(Protocol):
    """A module that names the layers of some of its groups, so that ``layer_decay`` can lower their learning rates."""

    def parameter_layers(self) -> Mapping[str, Sequence[Sequence[nn.Parameter]]]:
        """Return the parameters of each layer, from the lowest to the highest, for each group that has layers.

        The groups are those of ``parameter_groups``. Parameters of a group that are in none of its layers are trained
        like those of the highest layer.
        """
        ...


@runtime_checkable
class SupportsObserve(Protocol):
    """A sampler that learns from the losses of each step, for example to order conversations by difficulty."""

    def observe(self, numbers: Sequence[int], losses: Sequence[float]) -> None:
        """Take the losses of a step.

        Args:
            numbers: the numbers of the step's conversations that have a label.
            losses: for each of them, the mean loss of its labelled utterances for the first head.
        """
        ...


@runtime_checkable
class SupportsExplain(Protocol):
    """A part that can report its attention: which utterances each utterance reads, and how much."""

    def explain(self, *arguments: Any, **named: Any) -> Mapping[str, Tensor]:
        """Return the attention weights ``[N, H, U]`` of each layer or pair of modalities, by name.

        It is called with the arguments of ``forward``. ``weights[n, h, u]`` is how much row n reads, in head h, of
        place u of its conversation. The weights of a row and head add up to 1, or to 0 where it reads nothing.
        """
        ...


@runtime_checkable
class SupportsCutTexts(Protocol):
    """An extractor of text that reads only the beginning of long texts, and knows which.

    Attributes:
        longest_text: how much of a text it reads, and the option that changes it; for warnings.
    """

    longest_text: str

    def cut_texts(self, conversation: Conversation) -> Sequence[int]:
        """Return the positions of the utterances whose own text is not read to its end."""
        ...


@runtime_checkable
class SupportsCues(Protocol):
    """An extractor that may read how utterances are said: the cues of a conversation, in words.

    Attributes:
        cues_option: the option that makes it read them, such as ``prompt.cues``; empty if it reads none. Data without
            any cues is then refused, and predictions of such data come with a warning.
    """

    cues_option: str


@runtime_checkable
class SupportsSilence(Protocol):
    """An extractor of sound that knows the clips whose sound is digital silence; warnings count them."""

    def is_silent(self, clip: Clip) -> bool | None:
        """Return whether every sample of the clip's sound is zero; None for a clip without sound.

        Raises:
            BrokenClipError: the clip cannot be read.
        """
        ...


@runtime_checkable
class SupportsSource(Protocol):
    """An extractor whose features are a selection from those of another extractor.

    The core caches the features of the source. Extractors that select differently from the same source share them.
    """

    def source(self) -> Extractor:
        """Return the extractor whose features are cached; it reads the same as this one."""
        ...

    def select(self, features: NDArray[Any]) -> NDArray[Any]:
        """Return the features of an utterance, as ``extract`` returns them, from the array of the source."""
        ...
