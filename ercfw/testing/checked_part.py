"""A part of a network under test, of any kind: how to make it and how to run it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from ercfw.contract.batch import HeadOutput, Inputs, Outputs
from ercfw.contract.conversation import Conversation
from ercfw.contract.data_info import DataInfo, StreamKind
from ercfw.contract.optional_parts import supports_views
from ercfw.contract.part_outputs import ContextOutput, Fused
from ercfw.contract.targets import Target
from ercfw.registry import catalog
from ercfw.testing.fixtures import DIMS, SIZES, SOME, TARGET, TARGETS, data_info, make_conversations, pack
from ercfw.testing.outcome import CheckFailed

KINDS = ("encoder", "context", "fusion", "head", "model")
"""The kinds that are parts of a network."""
ONE = "text"
"""The modality for parts that read a single one."""


@dataclass(frozen=True)
class Subject:
    """The class of a part, and how to make one.

    Attributes:
        kind: one of ``KINDS``.
        factory: its class.
        options: keyword arguments of its constructor.
        reads: what its modalities hold: ``vector``, ``frames`` or ``tokens``.
        dims: the width of each modality; for tokens, the size of the vocabulary.
        target: what its target is.
    """

    kind: str
    factory: Any
    options: Mapping[str, Any] = field(default_factory=dict)
    reads: StreamKind = "vector"
    dims: Mapping[str, int] = field(default_factory=lambda: DIMS)
    target: Target = TARGETS["classes"]

    @cached_property
    def conversations(self) -> list[Conversation]:
        """Return conversations of several lengths; about a third of the values is absent."""
        return self.others()

    def others(self, absent: float = SOME, sizes: Sequence[int] = SIZES, seed: int = 0) -> list[Conversation]:
        """Make conversations of the same modalities; the arguments are those of ``make_conversations``."""
        return make_conversations(dict.fromkeys(self.dims, self.reads), absent, sizes, seed, self.dims, self.target)

    @cached_property
    def info(self) -> DataInfo:
        """Return the ``info`` that the part is made with."""
        return data_info(self.conversations, self.target)

    def make(self, seed: int = 0) -> nn.Module:
        """Make the part with weights of this seed, in evaluation mode."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            made: nn.Module = catalog.construct(self.kind, self.factory, self._wired(), self.options)
        return made.eval()

    def _wired(self) -> tuple[Any, ...]:
        """Return a value for each positional parameter of the kind's base class."""
        if self.kind == "encoder":
            return (self.info.modalities[ONE], self.info)
        if self.kind == "context":
            return (self.dims[ONE], self.info)
        if self.kind == "fusion":
            return (dict(self.dims), self.info)
        return (self.dims[ONE], TARGET, self.info, dict(self.dims)) if self.kind == "head" else (self.info,)

    def run(self, part: nn.Module, conversations: Sequence[Conversation]) -> Tensor:
        """Run the part on conversations and return all its tensors side by side: ``[N, D]``."""
        return self.run_inputs(part, pack(conversations).inputs)

    def run_inputs(self, part: nn.Module, inputs: Inputs) -> Tensor:
        """Run the part on a packed batch and return all its tensors side by side: ``[N, D]``."""
        return torch.cat(self.pieces(part, inputs), -1)

    def side_by_side(self, output: Any) -> Tensor:
        """Return all tensors of a part's output side by side: ``[N, D]``."""
        return torch.cat(self._pieces_of(output), -1)

    def pieces(self, part: nn.Module, inputs: Inputs) -> list[Tensor]:
        """Run the part on a packed batch and return each of its tensors, ``[N, D]``.

        Raises:
            CheckFailed: the part returns something else than its kind does.
        """
        return self._pieces_of(self._call(part, inputs))

    def _pieces_of(self, given: Any) -> list[Tensor]:
        if isinstance(given, Tensor):
            return [given]
        if isinstance(given, ContextOutput):
            return [given.x, *self._extras(given.extras)]
        if isinstance(given, Fused):
            return [given.joint, *(given.views or {}).values(), *self._extras(given.extras)]
        if isinstance(given, HeadOutput):
            return self._answers(given)
        if isinstance(given, Outputs):
            heads = [tensor for head in given.heads.values() for tensor in self._answers(head)]
            return [*heads, *given.views.values(), *self._extras(given.extras)]
        raise CheckFailed(f"it returns {type(given).__name__}; see the table of kinds in the plugin author's tutorial")

    @staticmethod
    def _answers(head: HeadOutput) -> list[Tensor]:
        auxiliary = [] if head.auxiliary is None else [head.auxiliary.flatten(1)]  # [N, K * C]
        return [head.logits, head.embedding, *auxiliary, *Subject._extras(head.extras)]

    @staticmethod
    def _extras(extras: Mapping[str, Tensor]) -> list[Tensor]:
        """Return the extras as floats ``[N, D]``, without row numbers and the like."""
        for name, extra in extras.items():
            if not isinstance(extra, Tensor) or not extra.dim():
                raise CheckFailed(f"extra '{name}' is not a tensor with one row per utterance")
        return [extra.reshape(len(extra), -1) for extra in extras.values() if extra.is_floating_point()]

    def _call(self, part: nn.Module, inputs: Inputs) -> Any:
        return part(*self.arguments(inputs))

    def arguments(self, inputs: Inputs) -> tuple[Any, ...]:
        """Return the arguments that the part is called with."""
        values = {name: stream.values for name, stream in inputs.streams.items()}
        if self.kind == "encoder":
            return (inputs.streams[ONE], inputs)
        if self.kind == "fusion":
            return (values, inputs)
        if self.kind == "head" and supports_views(self.factory):
            return (values[ONE], inputs, values)
        return (inputs,) if self.kind == "model" else (values[ONE], inputs)
