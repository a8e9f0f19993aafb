"""Checks of a recipe that need no training and, if need be, no data."""

from collections.abc import Sequence
from dataclasses import replace

from ercfw.build import build_losses, build_model, rehearse
from ercfw.catalog import Catalog
from ercfw.collate import describe
from ercfw.data import feature_part, make_dataset, make_extractor
from ercfw.errors import InputError, Mistake
from ercfw.info import DataInfo, ModalitySpec, TargetSpec
from ercfw.jobs import Job
from ercfw.recipe import Recipe

STAND_IN_WIDTH = 8
STAND_IN_CLASSES = ("a", "b", "c")


def check_jobs(jobs: Sequence[Job]) -> list[str]:
    """Build each job's model and losses, and rehearse them; what could not be checked.

    Raises:
        InputError: all that is wrong, at once.
    """
    unchecked: dict[str, None] = {}
    mistakes: list[Mistake] = []
    for job in jobs:
        info, missing = _info(job.recipe, job.catalog)
        unchecked.update(dict.fromkeys(missing))
        try:
            rehearse(build_model(job.recipe, job.catalog, info), build_losses(job.recipe, job.catalog, info), info)
        except InputError as error:
            of = "" if job.variant == "base" else f"variant '{job.variant}': "
            mistakes += [replace(m, where=of + m.where) for m in error.mistakes]
    if mistakes:
        raise InputError(mistakes)
    return list(unchecked)


def _info(recipe: Recipe, catalog: Catalog) -> tuple[DataInfo, list[str]]:
    """What a model would be told, streams by their promised widths; stand-ins for what is not at hand."""
    unchecked = ["the streams' files and values"]
    modalities = {}
    for name in recipe.data.modalities:
        part = feature_part(recipe, name)
        extracted = part is not None and part.use is not None
        width = make_extractor(recipe, catalog, name).dim if extracted else STAND_IN_WIDTH
        modalities[name] = ModalitySpec("vector", width, 1, (0.0,) * width, (1.0,) * width)
    try:
        dataset = make_dataset(recipe, catalog)
        info = describe([replace(c, streams={}) for c in dataset.split("train")], dataset.targets)
    except InputError as error:
        unchecked += [f"the data: {error}"]
        spec = TargetSpec(STAND_IN_CLASSES, (1,) * len(STAND_IN_CLASSES))
        info = DataInfo(dict.fromkeys(recipe.head or ("emotion",), spec), {}, 2)
    else:
        missing = [name for name in recipe.head if name not in info.targets]
        if missing:
            raise InputError.at(f"[head.{missing[0]}]", "the data has no such target", ", ".join(info.targets))
    return replace(info, modalities=modalities), unchecked
