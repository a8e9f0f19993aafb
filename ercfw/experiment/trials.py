"""The trials of a search with Optuna; each trial is a run that is scored on dev and never reads test."""

import hashlib
import json
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from accelerate import Accelerator

from ercfw.contract.hooks import Epoch
from ercfw.data.load import Data, read_dataset
from ercfw.errors import ErcfwError, InputError, RunError, warnings_of, with_warnings
from ercfw.experiment.plan import Job
from ercfw.experiment.run import Run
from ercfw.experiment.run_all import announce_data, load, make_accelerator
from ercfw.experiment.search import Search
from ercfw.recipe.search_space import Choices, Range
from ercfw.results.points import points
from ercfw.results.run_folder import RunFolder
from ercfw.results.scoring import selected
from ercfw.system.accelerate_variables import only_the_recipe_decides
from ercfw.system.process_setup import deterministic
from ercfw.system.terminal import Terminal

if TYPE_CHECKING:
    import optuna

MOST_FAILURES = 3
"""The number of failed trials that ends the search if none has finished."""
HEARTBEAT = 60
"""Seconds without a sign of life after which a worker counts as killed."""
HEAVY = (
    "model.safetensors",
    "embeddings.safetensors",
    "predictions.csv",
    "state.safetensors",
    "state.previous.safetensors",
)
"""Files that are deleted after each trial."""


def open_study(search: Search) -> "optuna.Study":
    """Open the study of a search, with its finished trials.

    Raises:
        InputError: Optuna is missing, or the storage that the user names cannot be opened.
        RunError: the storage in the search's folder cannot be opened.
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
        study = optuna.create_study(storage=storage, study_name=name, direction=_direction(search), load_if_exists=True)
    except Exception as error:
        if search.storage is None:
            raise RunError(f"{search.folder / 'trials.db'}: cannot be opened: {_cause(error)}") from error
        raise InputError.at(f"--storage {url}", f"cannot be opened: {_cause(error)}", "sqlite:///FILE") from error
    pruners = {"median": optuna.pruners.MedianPruner(), "none": optuna.pruners.NopPruner()}
    study.pruner = pruners[search.settings.pruner]
    # A resumed search must not draw the values that it has drawn before.
    study.sampler = optuna.samplers.TPESampler(seed=search.settings.seed + len(study.trials))
    return study


def _cause(error: BaseException) -> str:
    """Describe why a database failed: the first exception, without the statement that sqlalchemy adds."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {error}"


def finished(study: "optuna.Study") -> int:
    """Return how many trials were scored or pruned."""
    return sum(trial.state.name in ("COMPLETE", "PRUNED") for trial in study.trials)


def run_trials(search: Search, study: "optuna.Study", terminal: Terminal) -> None:
    """Run trials until the study has as many as requested; other workers may add to it at the same time.

    A trial that fails is reported, and the next one starts.

    Raises:
        RunError: three trials failed before any finished, or as many failed as were requested.
    """
    with only_the_recipe_decides(terminal.warning):
        _run_trials(search, study, terminal)


def _direction(search: Search) -> str:
    return "minimize" if search.scale.lower_is_better else "maximize"


def _run_trials(search: Search, study: "optuna.Study", terminal: Terminal) -> None:
    import optuna

    accelerator = make_accelerator([search.job.recipe])
    objective = _make_objective(search, accelerator, terminal)
    failures: list[str] = []

    def show(study: "optuna.Study", trial: "optuna.trial.FrozenTrial") -> None:
        scale, has_best = search.scale, any(t.state.name == "COMPLETE" for t in study.trials)
        best = f", best {points(study.best_value, scale=scale)}" if has_best else ""
        score = points(trial.value, scale=scale)
        values = ", ".join(f"{key} = {value}" for key, value in trial.params.items())
        terminal.info(f"trial {trial.number}: {trial.state.name.lower()}, {score} on dev{best}  ({values})")

    with deterministic(accelerator.device.type), terminal.progress() as bars:
        while (done := finished(study)) < search.settings.trials:
            bars("trials", done, search.settings.trials)
            try:
                study.optimize(objective, n_trials=1, callbacks=[show], catch=())
            except optuna.exceptions.StorageInternalError as error:
                raise RunError(f"the trials cannot be stored: {_cause(error)} (finished trials are kept)") from error
            except ErcfwError as error:
                failures.append(str(error))
                for warning in warnings_of(error):
                    terminal.warning(warning)
                terminal.warning(f"trial failed: {error}")
                if len(failures) >= MOST_FAILURES and not finished(study):
                    raise RunError("three trials failed, and none has finished") from error
                if len(failures) >= search.settings.trials:
                    raise RunError(f"{len(failures)} trials failed, as many as were requested") from error
        bars("trials", search.settings.trials, search.settings.trials)


def _make_objective(search: Search, accelerator: Accelerator, terminal: Terminal) -> "Callable[[optuna.Trial], float]":
    """Return what Optuna optimizes: the selected dev score of a run with a trial's values."""
    data = _TrialData(terminal)

    def objective(trial: "optuna.Trial") -> float:
        job = search.plan({key: _suggest(trial, key, space) for key, space in search.settings.space.items()})
        folder = RunFolder(search.folder / f"trial-{trial.number}", job.key)
        silent = Terminal(quiet=True, silent=True)
        run = Run(accelerator, job, job.recipe.seeds[0], data.of(job), folder, silent, _watch(trial))
        with folder.reserved():
            try:
                metrics = run.execute(resuming=False).metrics
            finally:
                accelerator.free_memory()
                for name in HEAVY:
                    (folder.path / name).unlink(missing_ok=True)
        trial.set_user_attr("stamps", metrics.stamps)
        return selected(metrics.scores["dev"], metrics.select)

    return objective


class _TrialData:
    """The data of trials without test, kept from one trial to the next unless a setting of the data changes."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._announced: set[str] = set()
        self._key = ""
        self._data: Data | None = None

    def of(self, job: Job) -> Data:
        """Return the data of a job."""
        if self._data is None or self._key != job.shared_data:
            self._data = None  # so that memory never holds two
            dataset, warnings = read_dataset(job.parts.dataset)
            with with_warnings(warnings):
                data = load(job, dataset, warnings, self._terminal)
            announce_data(data, self._terminal, self._announced)
            self._key, self._data = job.shared_data, replace(data, splits={**data.splits, "test": []})
        return self._data


def _suggest(trial: "optuna.Trial", key: str, space: Range | Choices) -> Any:
    if isinstance(space, Choices):
        return trial.suggest_categorical(key, space.choices)
    low, high = space.ends
    if isinstance(low, int) and isinstance(high, int):
        return trial.suggest_int(key, low, high, step=int(space.step or 1), log=space.log)
    return trial.suggest_float(key, low, high, step=space.step, log=space.log)


def _watch(trial: "optuna.Trial") -> Callable[[Epoch], None]:
    def watch(epoch: Epoch) -> None:
        import optuna

        trial.report(epoch["selected"], epoch["epoch"])
        if trial.should_prune():
            raise optuna.TrialPruned

    return watch
