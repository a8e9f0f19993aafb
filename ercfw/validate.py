"""Checks of a recipe that need no training and, if need be, no data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from torch import nn

from ercfw.build import build_losses, build_model
from ercfw.catalog import Catalog
from ercfw.collate import describe
from ercfw.data import check_tables, feature_part, make_dataset, make_extractor
from ercfw.errors import InputError, Mistake, in_recipe
from ercfw.info import DataInfo, ModalitySpec, TargetSpec
from ercfw.jobs import Job, with_new
from ercfw.optimise import optimizer_arguments
from ercfw.recipe import BASE, Recipe
from ercfw.rehearse import rehearse

STREAMS = "the streams' files and values"
STAND_IN_WIDTH = 8
STAND_IN_CLASSES = ("a", "b", "c")


@dataclass(frozen=True)
class Findings:
    """What a reader should know of a valid recipe: warnings, and what could not be checked."""

    warnings: tuple[str, ...]
    unchecked: tuple[str, ...]


def check_jobs(jobs: Sequence[Job]) -> Findings:
    """Build each job's model and losses, and rehearse them.

    Raises:
        InputError: all that is wrong, at once.
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
    streams = _promised_streams(recipe, catalog)
    try:
        dataset = make_dataset(recipe, catalog)
        info = describe([replace(c, streams={}) for c in dataset.split("train")], dataset.targets)
    except InputError as error:
        return _check_without_data(recipe, catalog, streams, str(error))
    check_tables(recipe, dataset)
    return Findings(_build(recipe, catalog, replace(info, modalities=streams)), (STREAMS,))


def _check_without_data(recipe: Recipe, catalog: Catalog, streams: Mapping[str, ModalitySpec], reason: str) -> Findings:
    """What does not fit the stand-ins may fit the data, so it is said and is no mistake."""
    spec = TargetSpec(STAND_IN_CLASSES, (1,) * len(STAND_IN_CLASSES))
    info = DataInfo(dict.fromkeys(recipe.head or ("emotion",), spec), streams, 2)
    unchecked = (STREAMS, f"the data: {reason}")
    try:
        return Findings(_build(recipe, catalog, info), unchecked)
    except InputError as error:
        return Findings((), (*unchecked, f"with stand-ins for the data: {error}"))


def _build(recipe: Recipe, catalog: Catalog, info: DataInfo) -> tuple[str, ...]:
    model, losses = build_model(recipe, catalog, info), build_losses(recipe, catalog, info)
    optimizer_arguments(recipe.train, nn.ModuleList([model, losses]))
    return tuple(rehearse(model, losses, info))


def _promised_streams(recipe: Recipe, catalog: Catalog) -> dict[str, ModalitySpec]:
    """Streams of the width that their extractor promises, or of a stand-in's."""
    streams = {}
    for name in recipe.data.modalities:
        part = feature_part(recipe, name)
        extracted = part is not None and part.use is not None
        width = make_extractor(recipe, catalog, name).dim if extracted else STAND_IN_WIDTH
        streams[name] = ModalitySpec("vector", width, 1, (0.0,) * width, (1.0,) * width)
    return streams
