"""A search of a recipe's settings: its plan, checked before it starts."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from ercfw.contract.metric import Scale, traits_of
from ercfw.errors import InputError, in_recipe
from ercfw.experiment.plan import Job, Selection, plan_job
from ercfw.recipe.overrides import merge, parse_overrides
from ercfw.recipe.queries import selected_metric
from ercfw.recipe.recipe_file import RecipeFile
from ercfw.recipe.schema import BASE
from ercfw.recipe.search_space import Range, Tune
from ercfw.recipe.toml import Tables
from ercfw.registry.metrics import metrics_of
from ercfw.system.names import slug
from ercfw.system.writable import check_folder

EXAMPLE = '[tune.space] "train.lr" = { low = 1e-5, high = 1e-3, log = true }'


@dataclass(frozen=True)
class Search:
    """The variant of a recipe whose settings are searched.

    Attributes:
        source: the recipe's file.
        selection: the variant, one seed, and the settings laid over the recipe.
        job: the variant as planned, before the search.
        settings: the recipe's ``[tune]``.
        folder: the folder of the trials, their storage and the best recipe.
        storage: a database that workers share, as SQLAlchemy names it; None = a file in ``folder``.
    """

    source: RecipeFile
    selection: Selection
    job: Job
    settings: Tune
    folder: Path
    storage: str | None = None

    @property
    def variant(self) -> str:
        """Return the name of the variant."""
        return self.job.variant

    @property
    def scale(self) -> Scale:
        """Return how the score is read that the search optimizes."""
        metrics = metrics_of(self.job.catalog, self.job.recipe.metric)
        return traits_of(metrics[selected_metric(self.job.recipe).partition(".")[2]]).scale

    def plan(self, values: Mapping[str, Any]) -> Job:
        """Plan a trial with these values.

        Raises:
            InputError: a value is not valid.
        """
        overrides = merge(self.selection.overrides or {}, as_tables(values))
        return plan_job(self.source, replace(self.selection, overrides=overrides))


def make_search(source: RecipeFile, selection: Selection, out: Path, storage: str | None) -> Search:
    """Prepare the search of one variant, with the first of the recipe's seeds.

    Raises:
        InputError: the recipe is wrong or has no ``[tune]``, or the folder cannot be written to.
    """
    job = plan_job(source, selection)
    if job.recipe.tune is None:
        raise InputError.at(f"{job.where}: [tune]", "is missing", EXAMPLE)
    check_folder("--out", out)
    return _search(source, selection, job, job.recipe.tune, out, storage)


def _search(
    source: RecipeFile, selection: Selection, job: Job, settings: Tune, out: Path, storage: str | None = None
) -> Search:
    one_seed = replace(selection, seeds=job.recipe.seeds[:1])
    return Search(source, one_seed, job, settings, out / job.name / f"tune-{slug(job.variant)}", storage)


def check_own_space(source: RecipeFile, selection: Selection, base: Job) -> None:
    """Check the search space of a recipe that has one; one whose protocol chooses on test is not searched.

    Args:
        source: the recipe's file.
        selection: the settings laid over the recipe.
        base: the recipe without a variant, as planned.

    Raises:
        InputError: the space is not valid.
    """
    settings = base.recipe.tune
    if settings is not None and base.recipe.train.protocol == "dev":
        with in_recipe(base.where):
            check_space(_search(source, replace(selection, variants=[BASE]), base, settings, Path()))


def check_space(search: Search) -> None:
    """Check both ends of every range and each choice alone, so that a wrong one is found before the search starts.

    Raises:
        InputError: a key or value is not valid, two keys contradict each other, a protocol selects epochs on test, or
            a value would need a process of its own.
    """
    own = search.job.recipe.train
    if own.protocol != "dev":
        raise InputError.at(
            "[tune]", f"the protocol is {own.protocol}, which chooses on test", 'train.protocol = "dev"'
        )
    tried = {
        key: space.ends if isinstance(space, Range) else space.choices for key, space in search.settings.space.items()
    }
    for key, values in tried.items():
        for value in values:
            where = f"[tune.space] {key} = {json.dumps(value)}"
            try:
                train = search.plan({key: value}).recipe.train
            except InputError as error:
                first = error.mistakes[0]
                raise InputError.at(where, first.what, first.hint) from error
            if train.protocol != "dev":
                raise InputError.at(where, "chooses on test", "search under the protocol dev only")
            if (train.device, train.precision) != (own.device, own.precision):
                raise InputError.at(where, "differs between trials, but all trials share a device and a precision")
    try:
        as_tables({key: values[0] for key, values in tried.items()})
    except InputError as error:
        raise InputError.at("[tune.space]", f"has keys that contradict each other: {error.mistakes[0].what}") from error


def as_tables(values: Mapping[str, Any]) -> Tables:
    """Return tables with these values, which are given by dotted key."""
    return parse_overrides(f"{key}={json.dumps(value)}" for key, value in values.items())
