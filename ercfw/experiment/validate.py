"""Check a recipe without training it, and if necessary without its data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from torch import nn

from ercfw.contract.data_info import DataInfo
from ercfw.contract.interfaces import Dataset, Model
from ercfw.contract.widths import TeacherWidths
from ercfw.data.declared_info import STAND_IN_CLASSES, STAND_IN_WIDTHS, promised_streams, stand_in_info, training_info
from ercfw.data.label_form import declared_targets
from ercfw.data.load import check_tables
from ercfw.errors import InputError, Mistake, RunError, added_to, in_recipe, warnings_of, with_warnings
from ercfw.experiment.plan import Job, with_new
from ercfw.experiment.served_targets import check_served
from ercfw.model.build import build_model
from ercfw.model.losses import asked_of_teachers, build_losses
from ercfw.recipe.queries import teacher_runs
from ercfw.recipe.schema import BASE
from ercfw.registry.metrics import metrics_of
from ercfw.training.check_parts import check_optimization, check_sampler
from ercfw.training.dry_run import dry_run, made_up_outputs
from ercfw.training.find_widths import find_widths
from ercfw.training.made_up_teachers import like_student

STREAMS = "the streams' files and values"
TEACHERS = "the widths of the teachers' embeddings and views"


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
            warnings.update(dict.fromkeys(prefix + warning for warning in warnings_of(error)))
            continue
        warnings.update(dict.fromkeys(prefix + warning for warning in check.warnings))
        unchecked.update(dict.fromkeys(check.unchecked))
    if mistakes:
        with with_warnings(warnings):
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
            self._read = (job.shared_data, training_info(job.parts.dataset))
        return self._read[1]


def _check(job: Job, data: _TrainingData) -> RecipeCheck:
    try:
        dataset, info, warnings = data.of(job)
    except InputError as error:
        if not all(mistake.missing for mistake in error.mistakes):
            raise
        without = _check_without_data(job, str(error))
        return replace(without, warnings=(*warnings_of(error), *without.warnings))
    streams = promised_streams(job.recipe, job.parts.extractors, STAND_IN_WIDTHS[0])
    with with_warnings(warnings):
        check_tables(job.recipe, dataset)
        check_served(job, declared_targets(dataset.targets), metrics_of(job.catalog, job.recipe.metric))
        errors: list[InputError] = []
        built: tuple[str, ...] = ()
        unchecked = (STREAMS, *_of_teachers(job))
        with added_to(errors):
            built = _build(job, replace(info, modalities=streams))
        with added_to(errors):
            unchecked += _of_sampler(job, info, dataset)
        if errors:
            raise InputError.joined(errors)
    return RecipeCheck((*warnings, *built), unchecked)


def _of_sampler(job: Job, info: DataInfo, dataset: Dataset) -> tuple[str, ...]:
    """Check the sampler, and return what is not checked of it: its code may need the streams.

    Raises:
        InputError: its settings are wrong, or it breaks a rule.
    """
    sampler = job.parts.training.sampler
    if sampler is not None:
        try:
            check_sampler(job.recipe.train, sampler, info, dataset.split("train"))
        except RunError as error:
            return (f"the sampler, which may need the streams: {error}",)
    return ()


def _of_teachers(job: Job) -> tuple[str, ...]:
    """Return what is not checked of the teachers: their runs may not be there yet."""
    return (TEACHERS,) if job.recipe.teacher is not None and asked_of_teachers(job.parts.losses.values()) else ()


def _check_without_data(job: Job, reason: str) -> RecipeCheck:
    """Try two stand-ins for the data: a recipe that fits one may fit the data, one that fits neither is wrong.

    Raises:
        InputError: the recipe fits neither.
    """
    unchecked = (STREAMS, *_of_teachers(job), f"the data: {reason}")
    failed: list[InputError] = []
    for width, classes in zip(STAND_IN_WIDTHS, STAND_IN_CLASSES, strict=True):
        try:
            info = stand_in_info(job.recipe, job.parts, width, classes)
            return RecipeCheck(_build(job, info), unchecked)
        except InputError as error:
            failed.append(error)
    if failed[0].mistakes == failed[1].mistakes:
        raise failed[0]
    return RecipeCheck((), (*unchecked, f"with stand-ins for the data: {failed[0]}"))


def _build(job: Job, info: DataInfo) -> tuple[str, ...]:
    """Build the model, the losses, the optimizer and what else trains, and return the warnings of a dry run."""
    model = build_model(job.parts.network, info)
    teachers = _teachers(job, model, info)
    widths = find_widths(model, job.parts.losses, info, teachers)
    losses = build_losses(job.recipe, job.parts.losses, info, widths)
    check_optimization(job.recipe.train, job.parts.training, nn.ModuleList([model, losses]))
    found = tuple(dry_run(model, losses, info, teachers))
    if job.parts.training.callbacks:
        from ercfw.training.check_callbacks import check_callbacks  # imports the libraries of a training

        with with_warnings(found):
            metrics = metrics_of(job.catalog, job.recipe.metric)
            check_callbacks(job.recipe, job.parts.training, info, metrics, model, losses)
    return found


def _teachers(job: Job, model: Model, info: DataInfo) -> Mapping[str, TeacherWidths]:
    """Return the widths of the teachers, as if they were like the student."""
    if job.recipe.teacher is None:
        return {}
    asked = asked_of_teachers(job.parts.losses.values())
    return like_student(made_up_outputs(model, info), teacher_runs(job.recipe), asked)
