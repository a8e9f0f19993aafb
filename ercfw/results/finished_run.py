"""Finished runs, read from their folders."""

import csv
import json
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ercfw.contract.conversation import UNLABELLED
from ercfw.contract.data_info import DataInfo
from ercfw.errors import InputError, did_you_mean
from ercfw.recipe.schema import BASE
from ercfw.recipe.toml import Tables
from ercfw.results.comparison.confusion_counts import Array, count
from ercfw.results.metrics_file import read_metrics
from ercfw.results.model_file import About, read_about
from ercfw.system.html_table import html_table

KEYS = {"split", "conversation", "utterance", "speaker", "text"}
"""Columns that every table of predictions has."""


@dataclass(frozen=True)
class Answers:
    """Predictions of a run for one split and target.

    Attributes:
        ids: (conversation, utterance) of each utterance, unlabelled ones too, in the run's order.
        labels: ``[N]``; -100 = unlabelled.
        predicted: ``[N]`` class numbers.
        probabilities: ``[N, C]``.
        classes: the class names.
    """

    ids: tuple[tuple[str, str], ...]
    labels: NDArray[np.int64]
    predicted: NDArray[np.int64]
    probabilities: Array
    classes: tuple[str, ...]

    @cached_property
    def counts(self) -> Array:
        """Return the confusion counts of each conversation that has a label, ``[K, C, C]``."""
        real = self.labels != UNLABELLED
        conversations = [conversation for (conversation, _), known in zip(self.ids, real, strict=True) if known]
        return count(conversations, self.labels[real], self.predicted[real], len(self.classes))

    def is_of_same(self, other: "Answers") -> bool:
        """Return whether both cover the same utterances with the same labels, in the same order."""
        return (self.ids, self.classes) == (other.ids, other.classes) and np.array_equal(self.labels, other.labels)


@dataclass(frozen=True)
class FinishedRun:
    """Run that was trained and scored.

    Attributes:
        folder: the folder of the run.
        metrics: the content of ``metrics.json``.
    """

    folder: Path
    metrics: Mapping[str, Any]

    def _repr_html_(self) -> str:
        """Return the scores as an HTML table, for notebooks."""
        scores = [
            (f"{target} {metric}", split, value)
            for split, of_split in self.metrics["scores"].items()
            for target, of_target in of_split.items()
            for metric, value in of_target.items()
            if isinstance(value, float)
        ]
        splits = dict.fromkeys(split for _, split, _ in scores)
        points = {(name, split): f"{100 * value:.2f}" for name, split, value in scores}
        rows = [
            [name, *(points.get((name, split), "") for split in splits)] for name in dict.fromkeys(s[0] for s in scores)
        ]
        stamps = "".join(f" [{stamp}]" for stamp in self.metrics["stamps"])
        title = f"{self.metrics['title']}: {self.metrics['variant']}, seed {self.metrics['seed']}{stamps}"
        return html_table(title, ["score", *splits], rows)

    @cached_property
    def recipe(self) -> Tables:
        """Return the resolved recipe of the run."""
        path = self.folder / "recipe.toml"
        try:
            return tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise InputError.at(path, f"cannot be read: {error}") from error

    @cached_property
    def info(self) -> DataInfo | None:
        """Return the description of the data that the model was built with; None without a model (an ensemble)."""
        path = self.folder / "model.safetensors"
        return About.model_validate_json(json.dumps(read_about(path))).info if path.is_file() else None

    @cached_property
    def history(self) -> list[dict[str, Any]]:
        """Return one entry per epoch; an empty list if nothing was trained (an ensemble)."""
        path = self.folder / "history.jsonl"
        try:
            return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise InputError.at(path, f"cannot be read: {error}", "ercfw run --force makes it again") from error

    @cached_property
    def _rows(self) -> list[dict[str, str]]:
        path = self.folder / "predictions.csv"
        try:
            with path.open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
        except (OSError, ValueError, csv.Error) as error:
            raise InputError.at(path, f"cannot be read: {error}", "ercfw run --force makes it again") from error
        if not rows or not set(rows[0]) >= KEYS:
            raise InputError.at(path, "is no table of predictions", "ercfw run --force makes it again")
        return rows

    @property
    def splits(self) -> list[str]:
        """Return the predicted splits, test first."""
        found = dict.fromkeys(row.get("split") or "" for row in self._rows)
        return sorted(found, key=lambda split: split != "test")

    @property
    def targets(self) -> list[str]:
        """Return the predicted targets."""
        ending = ".predicted"
        return [key.removesuffix(ending) for key in (self._rows[0] if self._rows else ()) if key.endswith(ending)]

    def rows(self, split: str) -> list[dict[str, str]]:
        """Return the rows of a split in ``predictions.csv``."""
        return [row for row in self._rows if row.get("split") == split]

    def answers(self, split: str, target: str) -> Answers:
        """Return the predictions for a split.

        Raises:
            InputError: the predictions cannot be read, or are not those that were scored.
        """
        rows = self.rows(split)
        before = f"{target}.p."
        classes = tuple(key.removeprefix(before) for key in (rows[0] if rows else ()) if key.startswith(before))
        try:
            numbers = {name: number for number, name in enumerate(classes)} | {"": UNLABELLED}
            return Answers(
                tuple((row["conversation"], row["utterance"]) for row in rows),
                np.array([numbers[row[target]] for row in rows], dtype=np.int64),
                np.array([numbers[row[f"{target}.predicted"]] for row in rows], dtype=np.int64),
                np.array([[float(row[before + name]) for name in classes] for row in rows]).reshape(
                    len(rows), len(classes)
                ),
                classes,
            )
        except (KeyError, TypeError, ValueError) as error:
            what = f"is no table of predictions of '{target}': {error!r}"
            raise InputError.at(self.folder / "predictions.csv", what, "ercfw run --force makes it again") from error


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

    def counts(self, split: str, target: str) -> Array:
        """Return the confusion counts of every seed, ``[S, K, C, C]``.

        Raises:
            InputError: the seeds were scored on different utterances.
        """
        answers = [run.answers(split, target) for run in self.runs]
        for run, each in zip(self.runs, answers, strict=True):
            if not each.is_of_same(answers[0]):
                raise InputError.at(run.folder, f"was scored on other utterances than {self.first.folder}")
        return np.stack([each.counts for each in answers])


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
    return _named([[FinishedRun(each, read_metrics(each)) for each in folders] for folders in found.values()])


def _done(path: Path) -> list[Path]:
    if not path.is_dir():
        siblings = [each.name for each in path.parent.iterdir()] if path.parent.is_dir() else []
        raise InputError.at(path, "is no folder", did_you_mean(path.name, siblings))
    for pattern in ("metrics.json", "*/metrics.json", "*/*/metrics.json"):
        done = [each.parent for each in path.glob(pattern)]
        if done:
            return sorted(done, key=lambda folder: (folder.parent.name != BASE, folder))
    raise InputError.at(path, "holds no finished run", "the folder of a run, a variant or a recipe that was run")


def _named(groups: Sequence[Sequence[FinishedRun]]) -> list[Group]:
    """Name groups by variant, also by title if there are several, and by folder if names are still ambiguous."""
    ordered = [tuple(sorted(runs, key=lambda run: int(run.metrics["seed"]))) for runs in groups]
    titles = {runs[0].metrics["title"] for runs in ordered}
    named = [_name(runs[0], len(titles) > 1) for runs in ordered]
    return [
        Group(name if named.count(name) == 1 else f"{name} ({runs[0].folder.parent})", runs)
        for name, runs in zip(named, ordered, strict=True)
    ]


def _name(run: FinishedRun, with_title: bool) -> str:
    variant = str(run.metrics["variant"])
    return f"{run.metrics['title']}: {variant}" if with_title else variant
