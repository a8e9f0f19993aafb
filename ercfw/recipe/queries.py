"""Read facts from a recipe that need no plugin."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from ercfw.errors import InputError
from ercfw.recipe.part_table import Part, Short
from ercfw.recipe.schema import PART, FeaturePart, Recipe
from ercfw.recipe.train_tables import SHORT_SCHEDULES, Train

DEFAULT = "default"
"""The name of the table that serves each modality without a table of its own."""
JOINT = "joint"
"""The name of the context between the fusion and the heads."""


def table_of(tables: Mapping[str, Any], modality: str) -> str:
    """Return the name of the table that serves a modality: its own, or ``default``."""
    return modality if modality in tables else DEFAULT


def feature_part(recipe: Recipe, modality: str) -> FeaturePart | None:
    """Return the table that says where a modality comes from, or None."""
    return recipe.features.get(table_of(recipe.features, modality))


def extracted(recipe: Recipe) -> list[str]:
    """Return the modalities that an extractor computes."""
    parts = {name: feature_part(recipe, name) for name in recipe.data.modalities}
    return [name for name, part in parts.items() if part is not None and part.use is not None]


def brings(part: FeaturePart | None) -> bool:
    """Return whether the recipe names a source of a modality: an extractor or a file."""
    return part is not None and (part.use is not None or part.file is not None)


def refuse_plugin_files(recipe: Recipe, where: str) -> None:
    """Refuse a recipe whose extractors or teacher may execute plugin files of another run.

    Raises:
        InputError: a table allows plugin files.
    """
    for name, part in recipe.features.items():
        if part.options.get("plugin_files"):
            raise InputError.at(f"{where}: [features.{name}] plugin_files", "is true, but --no-plugin-files forbids it")
    if recipe.teacher is not None and recipe.teacher.plugin_files:
        raise InputError.at(f"{where}: [teacher] plugin_files", "is true, but --no-plugin-files forbids it")


def teacher_runs(recipe: Recipe) -> tuple[str, ...]:
    """Return the paths of the runs of ``[teacher]``."""
    if recipe.teacher is None:
        return ()
    return (recipe.teacher.run,) if isinstance(recipe.teacher.run, str) else recipe.teacher.run


def parts_of(recipe: Recipe) -> Iterable[tuple[str, str, Part | FeaturePart]]:
    """Yield every part that a recipe names: its kind, the name of its table, and the table."""
    yield "dataset", "data", recipe.data
    for name, features in recipe.features.items():
        if features.use is not None:
            yield "extractor", f"features.{name}", features
    for kind in ("encoder", "context", "head", "loss", "metric"):
        for name, part in getattr(recipe, kind).items():
            yield kind, f"{kind}.{name}", part
    for kind in ("fusion", "model"):
        part = getattr(recipe, kind)
        if part is not None:
            yield kind, kind, part
    for name, part in recipe.callback.items():
        yield "callback", f"callback.{name}", part
    yield from training_parts_of(recipe.train)


def training_parts_of(train: Train) -> Iterable[tuple[str, str, Part]]:
    """Yield the parts that ``[train]`` names, as ``parts_of`` does; the short schedules are no parts."""
    optimizer, schedule = train.optimizer, train.schedule
    yield "optimizer", "train.optimizer", Short(use=optimizer) if isinstance(optimizer, str) else optimizer
    if not isinstance(schedule, str):
        yield "schedule", "train.schedule", schedule
    elif schedule not in SHORT_SCHEDULES:
        yield "schedule", "train.schedule", Short(use=schedule)
    if train.sampler is not None:
        yield "sampler", "train.sampler", train.sampler


def selected_metric(recipe: Recipe) -> str:
    """Return the metric that selects the best epoch, as ``target.metric``."""
    return recipe.train.select or f"{next(iter(recipe.head), 'emotion')}.weighted-f1"


def loss_weights(recipe: Recipe) -> dict[str, float]:
    """Return the weight of each loss, with "rest" replaced by its number."""
    known = {name: part.weight for name, part in recipe.loss.items() if part.weight != "rest"}
    return {name: known.get(name, 1 - sum(known.values())) for name in recipe.loss}


def variant_name(variant: str, part: int, parts: int) -> str:
    """Return the name of a variant that leaves out a part of the training data."""
    return f"{variant}, part {part} of {parts} left out"


def part_of(leave_out: str) -> tuple[int, int]:
    """Return ``"2/5"`` as two numbers.

    Raises:
        InputError: there is no such part.
    """
    found = re.fullmatch(PART, leave_out)
    part, parts = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= part <= parts or parts < 2:
        raise InputError.at(
            "[data] leave_out", f"'{leave_out}' is not a part", 'write "2/5" for the second of five parts'
        )
    return part, parts
