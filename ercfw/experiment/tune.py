"""A search of a recipe's settings by Optuna, on dev alone."""

import hashlib
import json
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import tomlkit

from ercfw.data.load import Data, read_dataset
from ercfw.errors import ErcfwError, InputError, RunError
from ercfw.experiment.plan import Job, Selection, plan_jobs
from ercfw.experiment.run import Run
from ercfw.experiment.run_all import announce_data, load, make_accelerator
from ercfw.recipe.overrides import merge, parse_overrides
from ercfw.recipe.recipe_file import RecipeFile, resolve_variant
from ercfw.recipe.search_space import Choices, Range, Tune
from ercfw.recipe.toml import Tables
from ercfw.results.run_folder import RunFolder
from ercfw.system.files import write_text
from ercfw.system.terminal import Terminal
from ercfw.training.state import Epoch

if TYPE_CHECKING:
    import optuna

FAILURES = 3
"""Trials that may fail before one has come to its end."""
HEARTBEAT = 60
"""Seconds after which a worker that was killed is known to be."""
HEAVY = (
    "model.safetensors",
    "embeddings.safetensors",
    "predictions.csv",
    "state.safetensors",
    "state.previous.safetensors",
)
"""What is not kept of a trial."""


@dataclass(frozen=True)
class Search:
    """What is searched.

    Attributes:
        source: the recipe's file.
        choice: what the command line says: variant, seed, settings.
        job: the recipe as it is before the search.
        settings: its ``[tune]``.
        folder: where trials, their storage and the best recipe are left.
        storage: a database that workers share, as SQLAlchemy names it; None = a file in ``folder``.
    """

    source: RecipeFile
    choice: Selection
    job: Job
    settings: Tune
    folder: Path
    storage: str | None = None


def check_space(search: Search) -> None:
    """Try both ends of every range and every choice alone, so that what cannot be is told before hours are spent.

    Raises:
        InputError: a key is none of the recipe's, or a value cannot be; or the protocol chooses on test.
    """
    if search.job.recipe.train.protocol != "dev":
        what = f"the protocol is {search.job.recipe.train.protocol}, which chooses on test"
        raise InputError.at("[tune]", what, 'train.protocol = "dev"')
    for key, space in search.settings.space.items():
        for value in (space.low, space.high) if isinstance(space, Range) else space.choices:
            try:
                _plan(search, {key: value})
            except InputError as error:
                first = error.mistakes[0]
                raise InputError.at(f"[tune.space] {key} = {json.dumps(value)}", f"{first.what}", first.mend) from error


def open_study(search: Search) -> "optuna.Study":
    """The study of a search, its finished trials in it.

    Raises:
        InputError: Optuna is missing, or its storage cannot be opened.
    """
    try:
        import optuna
    except ImportError as error:
        raise InputError.at("ercfw tune", "needs optuna", "pip install 'ercfw[tune]'") from error
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    search.folder.mkdir(parents=True, exist_ok=True)
    url = search.storage or f"sqlite:///{(search.folder / 'trials.db').absolute()}"
    space = json.dumps({key: each.model_dump(mode="json") for key, each in search.settings.space.items()})
    searched = hashlib.sha256((search.job.key + space).encode()).hexdigest()
    name = f"{search.job.name}, {search.job.variant}, {searched[:12]}"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)  # of the heartbeat
            storage = optuna.storages.RDBStorage(url, heartbeat_interval=HEARTBEAT)
        study = optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)
    except Exception as error:
        raise InputError.at(
            f"--storage {url}", f"cannot be opened: {type(error).__name__}", "sqlite:///FILE"
        ) from error
    pruners = {"median": optuna.pruners.MedianPruner(), "none": optuna.pruners.NopPruner()}
    study.pruner = pruners[search.settings.pruner]
    # Who goes on with a search must not draw what was drawn before.
    study.sampler = optuna.samplers.TPESampler(seed=search.settings.seed + len(study.trials))
    return study


def finished(study: "optuna.Study") -> int:
    """How many trials were scored or given up as hopeless."""
    return sum(trial.state.name in ("COMPLETE", "PRUNED") for trial in study.trials)


def run_trials(search: Search, study: "optuna.Study", terminal: Terminal) -> None:
    """Trials, until the study has as many as are asked for; other workers may add to it at the same time.

    Each is one run of the recipe's first seed that never reads test. What fails is told, and the next one goes on.

    Raises:
        RunError: three trials failed before any came to its end, or as many as were asked for.
    """
    accelerator = make_accelerator([search.job.recipe])
    loaded: dict[str, Data] = {}
    told: set[str] = set()
    failures: list[str] = []

    def objective(trial: "optuna.Trial") -> float:
        job = _plan(search, {key: _suggest(trial, key, space) for key, space in search.settings.space.items()})
        if job.shared_data not in loaded:
            loaded.clear()
            loaded[job.shared_data] = _without_test(job, terminal, told)
        folder = RunFolder(search.folder / f"trial-{trial.number}", job.key)
        data, unheard = loaded[job.shared_data], Terminal(quiet=True, silent=True)
        with folder.reserved():
            run = Run(accelerator, job, job.recipe.seeds[0], data, folder, unheard, _watch(trial))
            try:
                metrics = run.execute(resuming=False).metrics
            finally:
                accelerator.free_memory()
                for name in HEAVY:
                    (folder.path / name).unlink(missing_ok=True)
        trial.set_user_attr("stamps", metrics["stamps"])
        target, _, metric = metrics["select"].partition(".")
        return float(metrics["scores"]["dev"][target][metric])

    def tell(study: "optuna.Study", trial: "optuna.trial.FrozenTrial") -> None:
        best = f", best {100 * study.best_value:.2f}" if any(t.state.name == "COMPLETE" for t in study.trials) else ""
        score = f"{100 * trial.value:.2f}" if trial.value is not None else "-"
        values = ", ".join(f"{key} = {value}" for key, value in trial.params.items())
        terminal.info(f"trial {trial.number}: {trial.state.name.lower()}, {score} on dev{best}  ({values})")

    with terminal.progress() as bars:
        while (done := finished(study)) < search.settings.trials:
            bars("trials", done, search.settings.trials)
            try:
                study.optimize(objective, n_trials=1, callbacks=[tell], catch=())
            except ErcfwError as error:
                failures.append(str(error))
                terminal.warning(f"trial failed: {error}")
                if len(failures) >= FAILURES and not finished(study):
                    raise RunError("three trials failed, and none came to an end") from error
                if len(failures) >= search.settings.trials:
                    raise RunError(f"{len(failures)} trials failed, as many as were to be run") from error
        bars("trials", search.settings.trials, search.settings.trials)


def _suggest(trial: "optuna.Trial", key: str, space: Range | Choices) -> Any:
    if isinstance(space, Choices):
        return trial.suggest_categorical(key, space.choices)
    if isinstance(space.low, int) and isinstance(space.high, int):
        return trial.suggest_int(key, space.low, space.high, step=int(space.step or 1), log=space.log)
    return trial.suggest_float(key, space.low, space.high, step=space.step, log=space.log)


def _watch(trial: "optuna.Trial") -> Callable[[Epoch], None]:
    def watch(line: Epoch) -> None:
        import optuna

        trial.report(line["selected"], line["epoch"])
        if trial.should_prune():
            raise optuna.TrialPruned

    return watch


def _without_test(job: Job, terminal: Terminal, told: set[str]) -> Data:
    dataset, doubts = read_dataset(job.recipe.data, job.catalog)
    data = load(job, dataset, doubts, terminal)
    announce_data(data, terminal, told)
    return replace(data, splits={**data.splits, "test": []})


def _as_tables(values: Mapping[str, Any]) -> Tables:
    return parse_overrides(f"{key}={json.dumps(value)}" for key, value in values.items())


def _plan(search: Search, values: Mapping[str, Any]) -> Job:
    laid_over = merge(search.choice.overrides or {}, _as_tables(values))
    (job,) = plan_jobs(search.source, replace(search.choice, overrides=laid_over))
    return job


def write_best(search: Search, study: "optuna.Study") -> Path:
    """The recipe with the best trial's values, ``best.toml``; without ``[tune]`` and variants.

    Raises:
        RunError: no trial was scored.
    """
    with suppress(ValueError):
        best = study.best_trial
        variant = search.choice.variants[0]
        tables = resolve_variant(search.source, variant, search.choice.overrides, search.choice.dropped)
        tables = merge(tables, _as_tables(best.params))
        tables.pop("tune", None)
        beside = search.source.path.parent
        tables["plugins"] = [str((beside / path).resolve()) for path in tables.get("plugins", [])]
        tables["title"] = f"{tables['title']}, tuned"
        return _write(search.folder / "best.toml", tables, _history(search, study, best))
    raise RunError("no trial was scored, so there is no best one")


def stamps_of(trial: "optuna.trial.FrozenTrial") -> list[str]:
    """What must stand on what a trial found."""
    return [str(stamp) for stamp in trial.user_attrs.get("stamps", [])]


def _history(search: Search, study: "optuna.Study", best: "optuna.trial.FrozenTrial") -> Sequence[str]:
    select = search.job.tables["train"]["select"]
    return (
        *stamps_of(best),
        f"Trial {best.number} of {len(study.trials)}: the best {select} on dev, {100 * (best.value or 0):.2f}.",
        "The search chose it for that score, so it is too good; test was not read.",
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
