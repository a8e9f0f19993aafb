"""Resolve the parts that a recipe names: each is looked up once, and its options are read once."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ercfw.contract.interfaces import Context, Dataset, Encoder, Extractor, FusionBlock, Head, Loss, Model
from ercfw.contract.training_parts import Callback, Sampler
from ercfw.errors import InputError, Mistake
from ercfw.recipe.part_table import Part, Short
from ercfw.recipe.queries import JOINT, extracted, parts_of, selected_metric, table_of
from ercfw.recipe.schema import FeaturePart, Recipe
from ercfw.recipe.toml import Tables
from ercfw.recipe.train_tables import SHORT_SCHEDULES
from ercfw.registry.catalog import Catalog, Component
from ercfw.registry.options import read_options, written_options
from ercfw.registry.torch_parts import misplaced
from ercfw.system.validation import Strict

Made = TypeVar("Made")
NETWORK = ("encoder", "context", "fusion", "head", "model")
"""The kinds of which a network consists."""


@dataclass(frozen=True)
class ResolvedPart(Generic[Made]):
    """A part that a recipe names, found among the plugins, with its options read.

    Attributes:
        table: the name of its table in the recipe, for messages.
        component: the part's name, class and plugin.
        options: its options, with defaults.
        plugin_files: the plugin files that another process must load to find the part.
    """

    table: str
    component: Component
    options: Strict
    plugin_files: tuple[Path, ...]


ByTable = Mapping[str, ResolvedPart[Any]]


@dataclass(frozen=True)
class NetworkParts:
    """The parts of a network: a model of its own, or parts that are composed.

    Attributes:
        model: the whole network as one part.
        encoders: the encoder of each modality, in the recipe's order.
        contexts: the context encoders of the modalities that have one.
        fusion: the fusion block.
        joint: the context encoder between the fusion and the heads.
        heads: the head of each target.
    """

    model: ResolvedPart[Model] | None
    encoders: Mapping[str, ResolvedPart[Encoder]]
    contexts: Mapping[str, ResolvedPart[Context]]
    fusion: ResolvedPart[FusionBlock] | None
    joint: ResolvedPart[Context] | None
    heads: Mapping[str, ResolvedPart[Head]]


@dataclass(frozen=True)
class TrainingParts:
    """The parts that take part in a training.

    Attributes:
        optimizer: the optimiser.
        schedule: the schedule; None = constant, cosine or plateau, which ``[train]`` describes.
        sampler: the sampler; None = every conversation once, in random order.
        callbacks: the callbacks, by the names of their tables.
    """

    optimizer: ResolvedPart[Optimizer]
    schedule: ResolvedPart[LRScheduler] | None
    sampler: ResolvedPart[Sampler] | None
    callbacks: Mapping[str, ResolvedPart[Callback]]


@dataclass(frozen=True)
class RecipeParts:
    """All parts of a recipe.

    Attributes:
        dataset: its dataset.
        extractors: the extractor of each modality that has one.
        network: the parts of its network.
        losses: its losses, by the names of their tables.
        training: the parts of its training.
    """

    dataset: ResolvedPart[Dataset]
    extractors: Mapping[str, ResolvedPart[Extractor]]
    network: NetworkParts
    losses: Mapping[str, ResolvedPart[Loss]]
    training: TrainingParts


def resolve_part(catalog: Catalog, kind: str, table: str, part: Part | FeaturePart) -> ResolvedPart[Any]:
    """Return the part of a kind that a table names.

    Raises:
        InputError: no plugin offers the part, or its options are wrong; the message lists every mistake.
    """
    if kind == "schedule" and part.use in SHORT_SCHEDULES:
        raise InputError.at(f"[{table}] use", f"'{part.use}' has no table", f'write [train] schedule = "{part.use}"')
    component = catalog.find(kind, str(part.use), _place_of_name(table, part))
    if wrong := misplaced(component.factory, part.options, table):
        raise InputError(wrong)
    options = read_options(component.factory, part.options, f"[{table}]", type(part).model_fields)
    return ResolvedPart(table, component, options, catalog.files)


def _place_of_name(table: str, part: Part | FeaturePart) -> str:
    if isinstance(part, Short):
        above, _, key = table.rpartition(".")
        return f"[{above}] {key}"
    return f"[{table}] use"


def resolve_parts(
    recipe: Recipe, catalog: Catalog, wanted: Callable[[str, Part | FeaturePart], bool] = lambda *_: True
) -> tuple[ByTable, list[Mistake]]:
    """Return the parts that the recipe's tables name, and every mistake in these tables.

    Args:
        recipe: the recipe.
        catalog: the catalog in which parts are looked up.
        wanted: returns whether a part, given its kind and its table, is looked up.
    """
    found: dict[str, ResolvedPart[Any]] = {}
    mistakes: list[Mistake] = []
    for kind, table, part in parts_of(recipe):
        if wanted(kind, part):
            try:
                found[table] = resolve_part(catalog, kind, table, part)
            except InputError as error:
                mistakes += error.mistakes
    return found, mistakes


def resolve_network(recipe: Recipe, catalog: Catalog) -> NetworkParts:
    """Return the parts of the recipe's network.

    Raises:
        InputError: no plugin offers a part, or options are wrong; the message lists every mistake.
    """
    found, mistakes = resolve_parts(recipe, catalog, lambda kind, _: kind in NETWORK)
    if mistakes:
        raise InputError(mistakes)
    return _network_parts(recipe, found)


def resolve_extractor(recipe: Recipe, catalog: Catalog, modality: str) -> ResolvedPart[Extractor]:
    """Return the extractor of a modality that has one.

    Raises:
        InputError: no plugin offers it, or its options are wrong; the message lists every mistake.
    """
    table = table_of(recipe.features, modality)
    return resolve_part(catalog, "extractor", f"features.{table}", recipe.features[table])


def _network_parts(recipe: Recipe, found: ByTable) -> NetworkParts:
    """Return the parts of the recipe's network among those that ``resolve_parts`` found."""
    modalities = recipe.data.modalities if recipe.model is None else ()
    contexts = {
        name: found[f"context.{table}"]
        for name in modalities
        if (table := table_of(recipe.context, name)) in recipe.context
    }
    return NetworkParts(
        model=found.get("model"),
        encoders={name: found[f"encoder.{table_of(recipe.encoder, name)}"] for name in modalities},
        contexts=contexts,
        fusion=found.get("fusion"),
        joint=found.get(f"context.{JOINT}"),
        heads={target: found[f"head.{target}"] for target in recipe.head},
    )


def recipe_parts(recipe: Recipe, found: ByTable) -> RecipeParts:
    """Return the recipe's parts by their role; ``resolve_parts`` found them without a mistake."""
    return RecipeParts(
        dataset=found["data"],
        extractors={name: found[f"features.{table_of(recipe.features, name)}"] for name in extracted(recipe)},
        network=_network_parts(recipe, found),
        losses={name: found[f"loss.{name}"] for name in recipe.loss},
        training=TrainingParts(
            optimizer=found["train.optimizer"],
            schedule=found.get("train.schedule"),
            sampler=found.get("train.sampler"),
            callbacks={name: found[f"callback.{name}"] for name in recipe.callback},
        ),
    )


def tables_with_defaults(recipe: Recipe, found: ByTable) -> Tables:
    """Return the recipe with all defaults written out, also those of parts, without ``[run]`` and ``[tune]``."""
    tables = recipe.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"variant", "run", "tune"})
    for name, part in found.items():
        place: Any = tables
        for key in name.split(".", 1):
            place = place[key]
        if isinstance(place, dict):  # not a string that names the part
            place.update(written_options(part.options))
    tables["train"]["select"] = selected_metric(recipe)
    return {key: value for key, value in tables.items() if value not in ({}, [])}
