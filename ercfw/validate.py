"""Checks of a recipe that need no training and, if need be, no data."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ercfw.build import build_losses, build_model
from ercfw.catalog import Catalog
from ercfw.collate import describe
from ercfw.data import feature_part, make_dataset, make_extractor
from ercfw.errors import InputError, Mistake
from ercfw.info import DataInfo, ModalitySpec, TargetSpec
from ercfw.jobs import Job
from ercfw.recipe import Recipe
from ercfw.rehearse import rehearse

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
        of = "" if job.variant == "base" else f"variant '{job.variant}': "
        try:
            info, missing = _info(job.recipe, job.catalog)
            unchecked.update(dict.fromkeys(missing))
            model = build_model(job.recipe, job.catalog, info)
            notes = rehearse(model, build_losses(job.recipe, job.catalog, info), info)
            warnings.update(dict.fromkeys(of + note for note in notes))
        except InputError as error:
            mistakes += [replace(m, where=of + m.where) for m in error.mistakes]
    if mistakes:
        raise InputError(mistakes)
    return Findings(tuple(warnings), tuple(unchecked))


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
