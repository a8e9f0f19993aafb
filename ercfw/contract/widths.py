"""Widths of what a model and its teachers return, for losses with layers of their own."""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class TeacherWidths:
    """The widths of what one run of ``[teacher]`` returns.

    Attributes:
        logits: C for each target that the run predicts.
        embeddings: E for each target; empty unless a loss requires ``teacher.embedding``.
        views: D for each modality; empty unless a loss requires ``teacher.views``.
    """

    logits: Mapping[str, int]
    embeddings: Mapping[str, int] = field(default_factory=dict)
    views: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Widths:
    """The widths of the outputs that a loss reads.

    Attributes:
        embedding: E of the loss's target.
        views: D for each modality; empty if the model returns no views.
        extras: the shape of a row of each extra: ``()`` for ``[N]``, ``(D,)`` for ``[N, D]``.
        teachers: those of each run of ``[teacher]``, by its path in the recipe.
    """

    embedding: int
    views: Mapping[str, int] = field(default_factory=dict)
    extras: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    teachers: Mapping[str, TeacherWidths] = field(default_factory=dict)
