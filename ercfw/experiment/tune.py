"""A search of a recipe's settings on dev, by one process or several, and the best recipe that it finds."""

from collections.abc import Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomlkit

from ercfw.contract.metric import Scale
from ercfw.errors import RunError
from ercfw.experiment.executors import open_executor
from ercfw.experiment.request import SearchRequest
from ercfw.experiment.search import Search, as_tables, check_space
from ercfw.experiment.trials import finished, open_study, run_trials
from ercfw.experiment.worker_process import Ended
from ercfw.recipe.overrides import merge
from ercfw.recipe.search_space import Range
from ercfw.recipe.toml import Tables
from ercfw.results.points import points
from ercfw.system.accelerate_variables import only_the_recipe_decides
from ercfw.system.files import write_text
from ercfw.system.terminal import Terminal

if TYPE_CHECKING:
    import optuna

SEED_DISTANCE = 100_003
"""Difference between the seeds of two workers; each adds the number of trials that exist when it starts."""


@dataclass(frozen=True)
class BestTrial:
    """The best trial of a search.

    Attributes:
        values: its settings, by dotted key.
        score: its selected score on dev, which is too good because the search optimized it.
        scale: how that score is read.
        trial: its number.
        trials: the number of trials that have finished.
        recipe: the file with these settings.
        stamps: the stamps of its run, such as SIMULATED.
    """

    values: Mapping[str, Any]
    score: float
    scale: Scale
    trial: int
    trials: int
    recipe: Path
    stamps: Sequence[str]


def tune(search: Search, terminal: Terminal) -> BestTrial:
    """Run the trials that are missing, in ``run.workers`` processes, and write the best recipe.

    Raises:
        InputError: the search space is not valid, Optuna is missing, or its storage cannot be opened.
        RunError: no trial was scored, or a worker failed.
    """
    check_space(search)
    for key, space in search.settings.space.items():
        if isinstance(space, Range) and space.ends[1] != space.high:
            terminal.warning(f"[tune.space] {key}: its steps end at {space.ends[1]:g}, not at {space.high:g}")
    study = open_study(search)
    before = finished(study)
    if before:
        terminal.info(f"{before} of {search.settings.trials} trials were done before")
    if (search.job.recipe.run.workers or 1) > 1 and before < search.settings.trials:
        with only_the_recipe_decides(terminal.warning):
            _run_workers(search)
    else:
        run_trials(search, study, terminal)
    path, best = write_best(search, study), study.best_trial
    return BestTrial(best.params, best.value or 0.0, search.scale, best.number, finished(study), path, stamps_of(best))


def _run_workers(search: Search) -> None:
    """Run several processes that share the study; each draws trials with a seed of its own."""
    settings, out = search.job.recipe.run, search.folder.parents[1]
    request = SearchRequest.make(search.source, search.selection, search.variant, out, storage=search.storage)
    with open_executor(settings, search.folder / "jobs") as submit:
        seeds = [search.settings.seed + SEED_DISTANCE * number for number in range(settings.workers or 1)]
        for worker in as_completed([submit(request.with_seed(seed % 2**32)) for seed in seeds]):
            ended = worker.result()
            if ended.exit_code:
                raise RunError(f"a worker failed: {'; '.join(ended.errors) or _last_line(ended)}")


def _last_line(ended: Ended) -> str:
    """Return how a crashed worker ended, with the last line of its stderr, which names the exception."""
    lines = ended.stderr.strip().splitlines()
    return f"its process {ended.how}" + (f": {lines[-1]}" if lines else "")


def write_best(search: Search, study: "optuna.Study") -> Path:
    """Write ``best.toml``: the recipe with the best trial's values, without ``[tune]`` and variants.

    Raises:
        RunError: no trial was scored.
    """
    try:
        best = study.best_trial
    except ValueError as error:
        raise RunError("no trial was scored, so there is no best trial") from error
    tables = merge(search.job.written, as_tables(best.params))
    tables.pop("tune", None)
    beside = search.source.path.parent
    tables["plugins"] = [str((beside / path).resolve()) for path in tables.get("plugins", [])]
    tables["title"] = f"{tables['title']}, tuned"
    return _write(search.folder / "best.toml", tables, _history(search, study, best))


def stamps_of(trial: "optuna.trial.FrozenTrial") -> list[str]:
    """Return the stamps of a trial's run."""
    return [str(stamp) for stamp in trial.user_attrs.get("stamps", [])]


def _history(search: Search, study: "optuna.Study", best: "optuna.trial.FrozenTrial") -> Sequence[str]:
    select, shown = search.job.tables["train"]["select"], points(best.value or 0.0, scale=search.scale)
    return (
        *stamps_of(best),
        f"Trial {best.number} of {len(study.trials)}: the best {select} on dev, {shown}.",
        "The search chose it for that score, so the score is too good; test was not read.",
        *(f"  {key} = {value}" for key, value in best.params.items()),
    )


def _write(path: Path, tables: Tables, comments: Sequence[str]) -> Path:
    document = tomlkit.document()
    for comment in comments:
        document.add(tomlkit.comment(comment))
    for key, value in sorted(tables.items(), key=lambda item: isinstance(item[1], dict)):
        document[key] = value
    write_text(path, tomlkit.dumps(document))
    return path
