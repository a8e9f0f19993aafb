"""The outputs of parts that return more than one tensor."""

from dataclasses import dataclass, field

from torch import Tensor


@dataclass(frozen=True)
class ContextOutput:
    """The output of a context with extras.

    Attributes:
        x: ``[N, out_dim]``.
        extras: tensors ``[N, ...]`` by name, for a loss: ``kl`` becomes ``context.text.kl``.
    """

    x: Tensor
    extras: dict[str, Tensor]


@dataclass(frozen=True)
class Fused:
    """The output of a fusion with views or extras.

    Attributes:
        joint: ``[N, out_dim]``.
        views: ``[N, D]`` for each modality; None = those that the fusion was given.
        extras: tensors ``[N, ...]`` by name, for a loss: ``kl`` becomes ``fusion.kl``.
    """

    joint: Tensor
    views: dict[str, Tensor] | None = None
    extras: dict[str, Tensor] = field(default_factory=dict)
