"""Questions about a recipe that need no plugin."""

import re
from collections.abc import Iterable

from ercfw.errors import InputError
from ercfw.recipe.schema import PART, FeaturePart, Part, Recipe


def feature_part(recipe: Recipe, modality: str) -> FeaturePart | None:
    """What the recipe says of where a modality comes from."""
    return recipe.features.get(modality, recipe.features.get(DEFAULT))


def _key(recipe: Recipe, modality: str) -> str:
    return modality if modality in recipe.features else DEFAULT


def extracted(recipe: Recipe) -> list[str]:
    """The modalities that an extractor makes."""
    parts = {name: feature_part(recipe, name) for name in recipe.data.modalities}
    return [name for name, part in parts.items() if part is not None and part.use is not None]


def brings(part: FeaturePart | None) -> bool:
    """Whether the recipe itself says where a modality comes from."""
    return part is not None and (part.use is not None or part.file is not None)


def refuse_plugin_files(recipe: Recipe, where: str) -> None:
    """For who wants no plugin file to run: a recipe whose extractors or teacher may run those of another run.

    Raises:
        InputError: a table allows it.
    """
    for name, part in recipe.features.items():
        if part.options.get("plugin_files"):
            raise InputError.at(f"{where}: [features.{name}] plugin_files", "is true, and --no-plugin-files forbids it")
    if recipe.teacher is not None and recipe.teacher.plugin_files:
        raise InputError.at(f"{where}: [teacher] plugin_files", "is true, and --no-plugin-files forbids it")


DEFAULT = "default"


def parts_of(recipe: Recipe) -> Iterable[tuple[str, str, Part | FeaturePart]]:
    """Every part that a recipe names: its kind, its table, and what the table says."""
    yield "dataset", "data", recipe.data
    for name, features in recipe.features.items():
        if features.use is not None:
            yield "extractor", f"features.{name}", features
    for kind in ("encoder", "context", "head", "loss"):
        for name, part in getattr(recipe, kind).items():
            yield kind, f"{kind}.{name}", part
    for kind in ("fusion", "model"):
        part = getattr(recipe, kind)
        if part is not None:
            yield kind, kind, part


def selected_metric(recipe: Recipe) -> str:
    """What the best epoch is chosen by, as ``target.metric``."""
    return recipe.train.select or f"{next(iter(recipe.head), 'emotion')}.weighted-f1"


JOINT = "joint"
"""The name of the context after the fusion."""


def loss_weights(recipe: Recipe) -> dict[str, float]:
    """The weight of each loss, "rest" worked out."""
    known = {name: part.weight for name, part in recipe.loss.items() if part.weight != "rest"}
    return {name: known.get(name, 1 - sum(known.values())) for name in recipe.loss}


def variant_name(variant: str, part: int, parts: int) -> str:
    """What the run of a variant that leaves out a part is called."""
    return f"{variant}, part {part} of {parts} left out"


def part_of(leave_out: str) -> tuple[int, int]:
    """``"2/5"`` in numbers.

    Raises:
        InputError: there is no such part.
    """
    found = re.fullmatch(PART, leave_out)
    part, parts = (int(found[1]), int(found[2])) if found else (0, 0)
    if not 1 <= part <= parts or parts < 2:
        raise InputError.at("[data] leave_out", f"'{leave_out}' names no part", '"2/5": the second of five')
    return part, parts
