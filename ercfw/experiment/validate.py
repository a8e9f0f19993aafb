"""Check a recipe without training it, and if necessary without its data."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import nn

from ercfw.contract.data_info import DataInfo, ModalitySpec, StreamKind, TargetSpec
from ercfw.contract.interfaces import Dataset
from ercfw.data.load import check_tables, read_dataset
from ercfw.data.modality_sources import make_extractor
from ercfw.data.train_statistics import make_data_info
from ercfw.errors import InputError, Mistake, in_recipe
from ercfw.experiment.plan import Job, with_new
from ercfw.model.build import build_model
from ercfw.model.losses import build_losses
from ercfw.recipe.queries import extracted
from ercfw.recipe.schema import BASE, Recipe
from ercfw.registry.catalog import Catalog
from ercfw.training.dry_run import dry_run
from ercfw.training.optimizer import optimizer_arguments

STREAMS = "the streams' files and values"
STAND_IN_WIDTHS = (8, 12)
STAND_IN_CLASSES = (("a", "b", "c"), ("a", "b", "c", "d", "e"))


@dataclass(frozen=True)
class Findings:
    """Warnings about a valid recipe, and what could not be checked."""

    warnings: tuple[str, ...]
    unchecked: tuple[str, ...]


def check_jobs(jobs: Sequence[Job]) -> Findings:
    """Build each job's model and losses, and run them once on made-up data.

    Raises:
        InputError: all mistakes, at once.
    """
    warnings: dict[str, None] = {}
    unchecked: dict[str, None] = {}
    mistakes: list[Mistake] = []
    for job in jobs:
        of = "" if job.variant == BASE else f"variant '{job.variant}': "
        try:
            with in_recipe(job.where):
                found = _check(job.recipe, job.catalog)
        except InputError as error:
            mistakes = with_new(mistakes, error.mistakes)
            continue
        warnings.update(dict.fromkeys(of + note for note in found.warnings))
        unchecked.update(dict.fromkeys(found.unchecked))
    if mistakes:
        raise InputError(mistakes)
    return Findings(tuple(warnings), tuple(unchecked))


def _check(recipe: Recipe, catalog: Catalog) -> Findings:
    try:
        dataset, info, found = training_info(recipe, catalog)
    except InputError as error:
        return _check_without_data(recipe, catalog, str(error))
    streams = promised_streams(recipe, catalog, STAND_IN_WIDTHS[0])
    check_tables(recipe, dataset)
    notes = _build(recipe, catalog, replace(info, modalities=streams))
    return Findings((*found, *notes), (STREAMS,))


def training_info(recipe: Recipe, catalog: Catalog) -> tuple[Dataset, DataInfo, tuple[str, ...]]:
    """Return the recipe's dataset, the data info without streams, and the warnings of reading it.

    Raises:
        InputError: the data is missing or damaged.
    """
    dataset, found = read_dataset(recipe.data, catalog)
    info = make_data_info([replace(c, streams={}) for c in dataset.split("train")], dataset.targets)
    return dataset, info, found


def stand_in_info(recipe: Recipe, catalog: Catalog, width: int, classes: tuple[str, ...]) -> DataInfo:
    """Return made-up data info, for when the data is missing."""
    spec = TargetSpec(classes, (1,) * len(classes))
    targets = dict.fromkeys(recipe.head or ("emotion",), spec)
    return DataInfo(targets, promised_streams(recipe, catalog, width), 2)


def _check_without_data(recipe: Recipe, catalog: Catalog, reason: str) -> Findings:
    """Try two stand-ins for the data: a recipe that fits one may fit the data, one that fits neither is wrong.

    Raises:
        InputError: the recipe fits neither.
    """
    unchecked = (STREAMS, f"the data: {reason}")
    failed: list[InputError] = []
    for width, classes in zip(STAND_IN_WIDTHS, STAND_IN_CLASSES, strict=True):
        try:
            return Findings(_build(recipe, catalog, stand_in_info(recipe, catalog, width, classes)), unchecked)
        except InputError as error:
            failed.append(error)
    if failed[0].mistakes == failed[1].mistakes:
        raise failed[0]
    return Findings((), (*unchecked, f"with stand-ins for the data: {failed[0]}"))


def _build(recipe: Recipe, catalog: Catalog, info: DataInfo) -> tuple[str, ...]:
    model, losses = build_model(recipe, catalog, info), build_losses(recipe, catalog, info)
    optimizer_arguments(recipe.train, nn.ModuleList([model, losses]))
    return tuple(dry_run(model, losses, info, recipe.teacher is not None))


def promised_streams(recipe: Recipe, catalog: Catalog, stand_in: int) -> dict[str, ModalitySpec]:
    """Return streams with the widths that their extractors promise, or with the stand-in's width."""
    by_extractor = extracted(recipe)
    streams = {}
    for name in recipe.data.modalities:
        if name in by_extractor:
            extractor = make_extractor(recipe, catalog, name)
            streams[name] = _numbered(extractor.kind, extractor.dim)
        else:
            streams[name] = _numbered("vector", stand_in)
    return streams


def _numbered(kind: StreamKind, dim: int) -> ModalitySpec:
    if kind == "tokens":
        return ModalitySpec(kind, dim)
    return ModalitySpec(kind, dim, 1, (0.0,) * dim, (1.0,) * dim)
