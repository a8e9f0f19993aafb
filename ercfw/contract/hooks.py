"""Every extension point of ercfw.

A plugin is a module (or any object) that implements some of these with ``@hookimpl``; it is found by an
entry point of group ``ercfw``, or named by a recipe: ``plugins = ["./mine.py"]``. The ``provide_*`` hooks
return what the plugin offers: a kebab-case name and its class. What one may be: ``ercfw.contract.interfaces``.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from ercfw.contract.interfaces import (
        Context,
        Dataset,
        Encoder,
        Extractor,
        FileLayout,
        FusionBlock,
        Head,
        Loss,
        Metric,
        Model,
    )
    from ercfw.results.comparison.reported_scores import Quoted

hookspec = pluggy.HookspecMarker("ercfw")
hookimpl = pluggy.HookimplMarker("ercfw")
PLUGIN_API = 1
"""The version of the plugin interface; it grows when a plugin written for the one before may need a change."""


@hookspec
def provide_datasets() -> "dict[str, type[Dataset]]":  # type: ignore[empty-body]
    """Corpora."""


@hookspec
def provide_layouts() -> "dict[str, type[FileLayout]]":  # type: ignore[empty-body]
    """Feature files of other projects, to read and to write."""


@hookspec
def provide_extractors() -> "dict[str, type[Extractor]]":  # type: ignore[empty-body]
    """Raw text, sound or picture to features."""


@hookspec
def provide_encoders() -> "dict[str, type[Encoder]]":  # type: ignore[empty-body]
    """One modality's stream to vectors."""


@hookspec
def provide_contexts() -> "dict[str, type[Context]]":  # type: ignore[empty-body]
    """Vectors that know their conversation."""


@hookspec
def provide_fusions() -> "dict[str, type[FusionBlock]]":  # type: ignore[empty-body]
    """Several modalities to one vector."""


@hookspec
def provide_heads() -> "dict[str, type[Head]]":  # type: ignore[empty-body]
    """Vectors to logits."""


@hookspec
def provide_losses() -> "dict[str, type[Loss]]":  # type: ignore[empty-body]
    """What training minimises."""


@hookspec
def provide_metrics() -> "dict[str, Metric]":  # type: ignore[empty-body]
    """What predictions are scored by."""


@hookspec
def provide_models() -> "dict[str, type[Model]]":  # type: ignore[empty-body]
    """Whole networks."""


@hookspec
def add_commands(app: Any) -> None:
    """Add verbs to the command line: ``app`` is the ``typer.Typer`` of ``ercfw``."""


@hookspec
def epoch_finished(folder: Path, epoch: Mapping[str, Any]) -> None:
    """A run wrote a line of its ``history.jsonl``."""


@hookspec
def run_finished(folder: Path, metrics: Mapping[str, Any]) -> None:
    """A run wrote its ``metrics.json``."""


@hookspec
def quote_scores() -> "Sequence[Quoted]":  # type: ignore[empty-body]
    """What papers report, to stand beside runs of the same data and protocol."""
