"""Repeat a finished run and compare the numbers."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from ercfw.data.load import read_dataset
from ercfw.errors import InputError
from ercfw.experiment.plan import Selection, plan_jobs
from ercfw.experiment.run_all import RunOptions, run_jobs
from ercfw.recipe.recipe_file import read_toml
from ercfw.results.finished_run import FinishedRun
from ercfw.results.run_folder import RunFolder
from ercfw.system.terminal import Terminal

KEPT = ("python", "platform", "ercfw", "device", "processes", "threads", "git")


@dataclass(frozen=True)
class Reproduced:
    """How a second run compares with the first.

    Attributes:
        folder: of the second run.
        differences: between the environments, as text.
        farthest: the largest difference between scores, in points.
        renamed: how many utterances have another predicted class, and how many there are.
    """

    folder: Path
    differences: list[str]
    farthest: float
    renamed: tuple[int, int]

    @property
    def is_exact(self) -> bool:
        """Whether every score and every prediction is the same."""
        return self.farthest == 0 and self.renamed[0] == 0


def reproduce(run: FinishedRun, out: Path, terminal: Terminal, allow_plugin_files: bool) -> Reproduced:
    """Run a finished run's recipe again, on the same data, with the same seed and number of threads.

    Raises:
        InputError: its folder lacks a file, or its data has changed.
    """
    path = run.folder / "environment.json"
    before = _environment(path)
    source = read_toml(run.folder / "recipe.toml")
    selection = Selection(seeds=[int(run.metrics.seed)], allow_plugin_files=allow_plugin_files)
    (job,) = plan_jobs(source, selection)
    dataset, _ = read_dataset(job.recipe.data, job.catalog)
    if changed := RunFolder(run.folder, "").data_changed(dataset.provenance):
        raise InputError.at(
            run.folder, f"cannot be reproduced: its data has changed: {changed}", "restore the original data"
        )
    torch.set_num_threads(before["threads"])  # another number of threads adds in another order
    (again,) = run_jobs([job], RunOptions(out, force=True), terminal)
    return Reproduced(
        again.folder,
        _differences(before, _environment(again.folder / "environment.json")),
        _farthest(run.metrics.scores, again.metrics.scores),
        _renamed(run, again),
    )


def _environment(path: Path) -> dict[str, Any]:
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
        plugins = {f"plugin {name}": found for name, found in read["plugins"].items()}
        environment: dict[str, Any] = {**{key: read[key] for key in KEPT}, **read["libraries"], **plugins}
        if not isinstance(environment["threads"], int) or environment["threads"] < 1:
            raise ValueError(f"threads = {environment['threads']!r}")
        return environment
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError.at(path, f"was not written by a run: {error!r}", "the folder of a finished run") from error


def _differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[str]:
    names = dict.fromkeys([*before, *after])
    changed = [(name, before.get(name), after.get(name)) for name in names]
    return [f"{name}: {then or 'none'} before, {now or 'none'} now" for name, then, now in changed if then != now]


def _farthest(before: Any, after: Any) -> float:
    """Return the largest difference in points; infinite if one run has a score that the other lacks."""
    if isinstance(before, Mapping) and isinstance(after, Mapping):
        if before.keys() != after.keys():
            return float("inf")
        return max((_farthest(before[key], after[key]) for key in before), default=0.0)
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
