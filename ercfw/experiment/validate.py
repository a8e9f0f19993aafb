"""Check a recipe without training it, and if necessary without its data."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import nn

from ercfw.contract.data_info import DataInfo
from ercfw.contract.interfaces import Dataset
from ercfw.data.declared_info import STAND_IN_CLASSES, STAND_IN_WIDTHS, promised_streams, stand_in_info, training_info
from ercfw.data.load import check_tables
from ercfw.errors import InputError, Mistake, in_recipe
from ercfw.experiment.plan import Job, with_new
from ercfw.model.build import build_model
from ercfw.model.losses import build_losses
from ercfw.recipe.schema import BASE, Recipe
from ercfw.registry.catalog import Catalog
from ercfw.training.dry_run import dry_run
from ercfw.training.optimizer import optimizer_arguments

STREAMS = "the streams' files and values"


@dataclass(frozen=True)
class RecipeCheck:
    """Result of checking a valid recipe.

    Attributes:
        warnings: warnings about it.
        unchecked: what could not be checked, and why.
    """

    warnings: tuple[str, ...]
    unchecked: tuple[str, ...]


def check_jobs(jobs: Sequence[Job]) -> RecipeCheck:
    """Build each job's model and losses, and run them once on made-up data.

    Raises:
        InputError: all mistakes, at once.
    """
    warnings: dict[str, None] = {}
    unchecked: dict[str, None] = {}
    mistakes: list[Mistake] = []
    data = _TrainingData()
    for job in jobs:
        prefix = "" if job.variant == BASE else f"variant '{job.variant}': "
        try:
            with in_recipe(job.where):
                check = _check(job, data)
        except InputError as error:
            mistakes = with_new(mistakes, error.mistakes)
            continue
        warnings.update(dict.fromkeys(prefix + warning for warning in check.warnings))
        unchecked.update(dict.fromkeys(check.unchecked))
    if mistakes:
        raise InputError(mistakes)
    return RecipeCheck(tuple(warnings), tuple(unchecked))


class _TrainingData:
    """The data that the last variant was checked with: most variants of a recipe have the same."""

    def __init__(self) -> None:
        self._read: tuple[str, tuple[Dataset, DataInfo, tuple[str, ...]]] | None = None

    def of(self, job: Job) -> tuple[Dataset, DataInfo, tuple[str, ...]]:
        """Return ``training_info`` of a job.

        Raises:
            InputError: the data is missing or damaged.
        """
        if self._read is None or self._read[0] != job.shared_data:
            self._read = (job.shared_data, training_info(job.recipe, job.catalog))
        return self._read[1]


def _check(job: Job, data: _TrainingData) -> RecipeCheck:
    recipe, catalog = job.recipe, job.catalog
    try:
        dataset, info, warnings = data.of(job)
    except InputError as error:
        return _check_without_data(recipe, catalog, str(error))
    streams = promised_streams(recipe, catalog, STAND_IN_WIDTHS[0])
    check_tables(recipe, dataset)
    built = _build(recipe, catalog, replace(info, modalities=streams))
    return RecipeCheck((*warnings, *built), (STREAMS,))


def _check_without_data(recipe: Recipe, catalog: Catalog, reason: str) -> RecipeCheck:
    """Try two stand-ins for the data: a recipe that fits one may fit the data, one that fits neither is wrong.

    Raises:
        InputError: the recipe fits neither.
    """
    unchecked = (STREAMS, f"the data: {reason}")
    failed: list[InputError] = []
    for width, classes in zip(STAND_IN_WIDTHS, STAND_IN_CLASSES, strict=True):
        try:
            return RecipeCheck(_build(recipe, catalog, stand_in_info(recipe, catalog, width, classes)), unchecked)
        except InputError as error:
            failed.append(error)
    if failed[0].mistakes == failed[1].mistakes:
        raise failed[0]
    return RecipeCheck((), (*unchecked, f"with stand-ins for the data: {failed[0]}"))


def _build(recipe: Recipe, catalog: Catalog, info: DataInfo) -> tuple[str, ...]:
    """Build the model, the losses and the optimizer, and return the warnings of a dry run."""
    model, losses = build_model(recipe, catalog, info), build_losses(recipe, catalog, info)
    optimizer_arguments(recipe.train, nn.ModuleList([model, losses]))
    return tuple(dry_run(model, losses, info, recipe.teacher is not None))
