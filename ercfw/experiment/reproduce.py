"""Repeat a finished run and compare its scores and predictions."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ercfw.data.load import read_dataset
from ercfw.errors import InputError, with_warnings
from ercfw.experiment.plan import Selection, plan_job
from ercfw.experiment.run_all import RunOptions, run_jobs
from ercfw.recipe.recipe_file import read_toml
from ercfw.registry.trust import PluginFiles
from ercfw.results.environment import RunEnvironment, read_environment
from ercfw.results.finished_run import FinishedRun
from ercfw.results.run_folder import RunFolder
from ercfw.system.terminal import Terminal

KEPT = {"python", "platform", "ercfw", "device", "processes", "threads", "git"}
"""Facts of the environment that are compared, besides the versions of libraries and plugins."""


@dataclass(frozen=True)
class Reproduced:
    """Comparison of a second run with the first.

    Attributes:
        folder: the folder of the second run.
        differences: the differences between the environments, as text.
        farthest: the largest difference between scores, in points.
        renamed: the number of utterances whose predicted class differs, and the number of all.
    """

    folder: Path
    differences: list[str]
    farthest: float
    renamed: tuple[int, int]

    @property
    def is_exact(self) -> bool:
        """Return whether every score and every prediction is the same."""
        return self.farthest == 0 and self.renamed[0] == 0


def reproduce(run: FinishedRun, out: Path, terminal: Terminal, plugin_files: PluginFiles) -> Reproduced:
    """Run a finished run's recipe again, on the same data, with the same seed and number of threads.

    Raises:
        InputError: its folder lacks a file, or its data has changed.
    """
    before = _environment(run)
    source = read_toml(run.files.recipe)
    selection = Selection(seeds=[run.metrics.seed], plugin_files=plugin_files)
    job = plan_job(source, selection)
    dataset, warnings = read_dataset(job.parts.dataset)
    if changed := RunFolder(run.folder, "").data_changed(dataset.provenance):
        what = f"cannot be reproduced: its data has changed: {changed}"
        with with_warnings(warnings):
            raise InputError.at(run.folder, what, "restore the original data")
    torch.set_num_threads(before.threads)  # another number of threads adds in another order
    (again,) = run_jobs([job], RunOptions(out, force=True), terminal)
    return Reproduced(
        again.folder,
        _differences(before, _environment(again)),
        _farthest(run.metrics.scores, again.metrics.scores),
        _renamed(run, again),
    )


def _environment(run: FinishedRun) -> RunEnvironment:
    environment = read_environment(run.folder)
    if environment is None:
        raise InputError.at(run.files.environment, "is missing", "the folder of a finished run")
    return environment


def _versions(environment: RunEnvironment) -> dict[str, object]:
    plugins = {f"plugin {name}": version for name, version in environment.plugins.items()}
    kept = environment.model_dump(include=KEPT)
    return {**kept, **environment.libraries, **plugins}


def _differences(before: RunEnvironment, after: RunEnvironment) -> list[str]:
    old, new = _versions(before), _versions(after)
    changed = [(name, old.get(name), new.get(name)) for name in dict.fromkeys([*old, *new])]
    return [f"{name}: {then or 'none'} before, {now or 'none'} now" for name, then, now in changed if then != now]


def _farthest(before: Any, after: Any) -> float:
    """Return the largest difference in points; infinite if one run has a score that the other lacks."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        if before.keys() != after.keys():
            return float("inf")
        return max((_farthest(before[key], after[key]) for key in before), default=0.0)
    if isinstance(before, Mapping) or isinstance(after, Mapping):
        return float("inf")
    return 100 * abs(float(before) - float(after))


def _renamed(before: FinishedRun, after: FinishedRun) -> tuple[int, int]:
    changed = total = 0
    for split, targets in before.metrics.scores.items():
        for target in targets:
            then, now = before.answers(split, target), after.answers(split, target)
            if then.ids != now.ids:
                raise InputError.at(after.folder, f"has other utterances in {split} than {before.folder}")
            changed += int((then.predicted != now.predicted).sum())
            total += len(then.ids)
    return changed, total
