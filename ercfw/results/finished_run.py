"""Finished runs, read from their folders."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ercfw.contract.data_info import DataInfo
from ercfw.errors import InputError, did_you_mean
from ercfw.recipe.recipe_file import read_toml
from ercfw.recipe.schema import BASE, parse_recipe
from ercfw.recipe.toml import Tables
from ercfw.results.comparison.confusion_counts import Array
from ercfw.results.differing_settings import differing_settings
from ercfw.results.history import HINT, read_history
from ercfw.results.model_file import ModelMetadata, read_about
from ercfw.results.points import points
from ercfw.results.prediction_csv import read_predictions
from ercfw.results.prediction_table import PredictionTable
from ercfw.results.run_files import RunFiles
from ercfw.results.run_metrics import RunMetrics, read_metrics
from ercfw.results.target_predictions import TargetPredictions
from ercfw.system.files import is_folder
from ercfw.system.html_table import html_table


@dataclass(frozen=True)
class FinishedRun:
    """Run that was trained and scored.

    Attributes:
        folder: the folder of the run.
        metrics: the content of ``metrics.json``.
    """

    folder: Path
    metrics: RunMetrics

    @property
    def files(self) -> RunFiles:
        """Return the paths of its files."""
        return RunFiles(self.folder)

    def __repr__(self) -> str:
        metrics = self.metrics
        stamps = "".join(f" [{stamp}]" for stamp in metrics.stamps)
        target, _, name = metrics.select.partition(".")
        value = metrics.score("test", target, name)
        shown = points(value, scale=metrics.selected_scale)
        score = f", {metrics.select} {shown} on test" if value is not None else ""
        return f"<FinishedRun {metrics.title}{stamps}, {metrics.variant}, seed {metrics.seed}{score}, in {self.folder}>"

    def _repr_html_(self) -> str:
        """Return the scores as an HTML table, for notebooks."""
        scores = [
            (f"{target} {metric}", split, value, self.metrics.scale(metric))
            for split, of_split in self.metrics.scores.items()
            for target, of_target in of_split.items()
            for metric, value in of_target.items()
            if isinstance(value, float)
        ]
        splits = dict.fromkeys(split for _, split, *_ in scores)
        cells = {(name, split): points(value, scale=scale) for name, split, value, scale in scores}
        rows = [
            [name, *(cells.get((name, split), "") for split in splits)] for name in dict.fromkeys(s[0] for s in scores)
        ]
        stamps = "".join(f" [{stamp}]" for stamp in self.metrics.stamps)
        title = f"{self.metrics.title}: {self.metrics.variant}, seed {self.metrics.seed}{stamps}"
        return html_table(title, ["score", *splits], rows)

    @cached_property
    def recipe(self) -> Tables:
        """Return the resolved recipe of the run.

        Raises:
            InputError: ``recipe.toml`` is missing or damaged.
        """
        source = read_toml(self.files.recipe)
        recipe, mistakes = parse_recipe(source.tables, str(source.path))
        if recipe is None or mistakes:
            raise InputError(mistakes)
        return source.tables

    @cached_property
    def info(self) -> DataInfo | None:
        """Return the description of the data that the model was built with; None without a model (an ensemble)."""
        path = self.files.model
        return ModelMetadata.model_validate_json(json.dumps(read_about(path))).info if path.is_file() else None

    @cached_property
    def history(self) -> list[dict[str, Any]]:
        """Return one entry per epoch; an empty list if nothing was trained (an ensemble).

        Raises:
            InputError: ``history.jsonl`` is damaged, or does not have the best epoch.
        """
        entries, best = read_history(self.files.history), self.metrics.best_epoch
        if entries and best is not None and not 1 <= best <= len(entries):
            raise InputError.at(
                self.files.history, f"has {len(entries)} epochs, but the best one is number {best}", HINT
            )
        return entries

    @cached_property
    def predictions(self) -> PredictionTable:
        """Return the predictions of every split.

        Raises:
            InputError: ``predictions.csv`` is missing, cannot be read, or is not a table of predictions.
        """
        return read_predictions(self.files.predictions)

    @property
    def splits(self) -> list[str]:
        """Return the predicted splits, test first."""
        return self.predictions.splits

    @property
    def targets(self) -> list[str]:
        """Return the predicted targets."""
        return list(self.predictions.targets)

    @cached_property
    def _by_split(self) -> dict[str, PredictionTable]:
        return {split: self.predictions.of_split(split) for split in self.splits}

    def of_split(self, split: str) -> PredictionTable:
        """Return the predictions for a split; an empty table if it was not predicted."""
        return self._by_split.get(split, self.predictions.take([]))

    def answers(self, split: str, target: str) -> TargetPredictions:
        """Return the predictions for a split and target.

        Raises:
            InputError: the predictions cannot be read, or the target was not predicted.
        """
        found = self.of_split(split).targets
        if target not in found:
            what = f"has no predictions of target '{target}'"
            raise InputError.at(self.files.predictions, what, did_you_mean(target, found))
        return found[target]


@dataclass(frozen=True)
class Group:
    """Runs of one recipe and variant, one per seed.

    Attributes:
        name: the name of its row in a table.
        runs: the runs, in order of their seeds.
    """

    name: str
    runs: tuple[FinishedRun, ...]

    @property
    def first(self) -> FinishedRun:
        """Return the run with the lowest seed."""
        return self.runs[0]

    def answers(self, split: str, target: str) -> list[TargetPredictions]:
        """Return the predictions of every seed for a split and target.

        Raises:
            InputError: the seeds were scored on different utterances.
        """
        answers = [run.answers(split, target) for run in self.runs]
        for run, each in zip(self.runs, answers, strict=True):
            if not each.is_of_same(answers[0]):
                raise InputError.at(run.folder, f"was scored on other utterances than {self.first.folder}")
        return answers

    def counts(self, split: str, target: str) -> Array:
        """Return the confusion counts of every seed, ``[S, K, C, C]``; for targets of classes only.

        Raises:
            InputError: the seeds were scored on different utterances.
        """
        return np.stack([each.counts for each in self.answers(split, target)])


def open_run(folder: Path) -> FinishedRun:
    """Return the finished run in a folder.

    Raises:
        InputError: the folder has no ``metrics.json``, or it cannot be read.
    """
    return FinishedRun(folder, read_metrics(folder))


def find_groups(paths: Sequence[Path]) -> list[Group]:
    """Return the finished runs in these folders, one group per variant's folder, in the given order, then by name.

    A path may be the folder of a run, of a variant with its seeds, or of a recipe with its variants.

    Raises:
        InputError: a folder does not exist, or has no finished run.
    """
    found: dict[Path, list[Path]] = {}
    for path in paths:
        done = _done(path)
        for folder in done:
            seeds = found.setdefault(folder.parent, [])
            if folder not in seeds:
                seeds.append(folder)
    return _named([[open_run(each) for each in folders] for folders in found.values()])


def _done(path: Path) -> list[Path]:
    if not is_folder(path):
        siblings = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
        raise InputError.at(path, "is not a folder", did_you_mean(path.name, siblings))
    for pattern in ("metrics.json", "*/metrics.json", "*/*/metrics.json"):
        done = [each.parent for each in path.glob(pattern)]
        if done:
            return sorted(done, key=lambda folder: (folder.parent.name != BASE, folder))
    raise InputError.at(path, "holds no finished run", "name the folder of a run, a variant or a recipe")


def _named(groups: Sequence[Sequence[FinishedRun]]) -> list[Group]:
    """Name groups by variant, by title if there are several, by settings if these differ, and by folder otherwise."""
    ordered = [tuple(sorted(runs, key=lambda run: run.metrics.seed)) for runs in groups]
    firsts = [runs[0] for runs in ordered]
    # One recipe's title may have been mended between its runs.
    several = (
        len({run.metrics.title for run in firsts}) > 1
        and len({run.folder.absolute().parent.parent for run in firsts}) > 1
    )
    plain = [_name(run, several, "") for run in firsts]
    names = list(plain)
    for name in {each for each in plain if plain.count(each) > 1}:
        places = [place for place, each in enumerate(plain) if each == name]
        recipes = [firsts[place].recipe if firsts[place].files.recipe.is_file() else {} for place in places]
        for place, settings in zip(places, differing_settings(recipes), strict=True):
            names[place] = _name(firsts[place], several, settings)
    return [
        Group(name if names.count(name) == 1 else f"{name} ({runs[0].folder.parent})", runs)
        for name, runs in zip(names, ordered, strict=True)
    ]


def _name(run: FinishedRun, with_title: bool, settings: str) -> str:
    """Return the name of a line: the variant, with its title and settings if these tell lines apart."""
    variant = ", ".join(
        [*([] if settings and run.metrics.variant == BASE else [run.metrics.variant]), *filter(None, [settings])]
    )
    return f"{run.metrics.title}: {variant}" if with_title else variant
