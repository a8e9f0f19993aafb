"""Define the typed recipe: every table and key of the core, and the rules between them."""

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from ercfw.errors import Mistake, did_you_mean
from ercfw.recipe.part_table import Count, Part
from ercfw.recipe.search_space import Choices, Range, Tune
from ercfw.recipe.toml import Tables
from ercfw.recipe.train_tables import ParameterGroup, Train
from ercfw.system.validation import Location, Strict, as_json, by_place, mistakes_of

BASE = "base"
PART = r"([1-9]\d?)/([1-9]\d?)"
"""A part of the training split and the number of parts, such as ``2/5``."""
NAMED_BY_TABLE = ("loss", "metric", "callback")
"""The kinds whose tables need no ``use``: their own name is that of the part."""


class Missing(Strict):
    """``[data.missing]``: remove each modality from a share of the utterances, or some from all, in these splits."""

    share: Annotated[float, Field(ge=0, lt=1)] = 0.0
    lacking: tuple[str, ...] = ()
    splits: Annotated[tuple[Literal["train", "dev", "test"], ...], Field(min_length=1)] = ("train", "dev", "test")
    seed: Annotated[int, Field(ge=0)] = 0


class DataPart(Part):
    """``[data]``: the dataset, the modalities to read, and the number of conversations per batch.

    ``leave_out = "2/5"`` trains without the second fifth of the training conversations. ``cues`` is a CSV file with the
    cues of utterances in words.
    """

    modalities: Annotated[tuple[str, ...], Field(min_length=1)]
    batch_size: Count = 32
    allow_fitted_dev: bool = False
    leave_out: Annotated[str, Field(pattern=f"^{PART}$")] | None = None
    cues: Annotated[str, Field(min_length=1)] | None = None
    missing: Missing | None = None


class FeaturePart(Strict, extra="allow"):
    """``[features.MODALITY]``: an extractor or a file, and what the features were fitted on."""

    use: str | None = None
    file: str | None = None
    fitted_on: Literal["nothing", "train", "unknown"] | None = None

    @property
    def options(self) -> dict[str, Any]:
        """Return the options for the extractor's constructor."""
        return dict(self.model_extra or {})


class LossPart(Part):
    """``[loss.NAME]``; ``weight = "rest"`` means 1 minus the other weights."""

    weight: Annotated[float, Field(ge=0)] | Literal["rest"] = 1.0
    target: str | None = None


class MetricPart(Part):
    """``[metric.NAME]``: a metric with options, for all targets that it serves or for one."""

    target: str | None = None


class Teacher(Strict):
    """``[teacher]``: one or several finished runs, frozen, whose outputs losses may read."""

    run: str | Annotated[tuple[str, ...], Field(min_length=1)]
    plugin_files: bool = False


class RunSettings(Strict):
    """``[run]``: where and how runs are executed. Only ``threads`` affects results, by rounding.

    ``options`` are those of the executor: submitit's parameters for Slurm, arguments of ``ray.init`` for Ray.
    """

    executor: Literal["local", "slurm", "ray"] = "local"
    workers: Count | None = None
    threads: Count | None = None
    trackers: tuple[str, ...] = ()
    options: dict[str, Any] = Field(default_factory=dict)


class Variant(Strict):
    """``[[variant]]``: settings that override the recipe's, and tables or keys to remove."""

    name: Annotated[str, Field(min_length=1)]
    set: dict[str, Any] = Field(default_factory=dict)
    drop: tuple[str, ...] = ()


class Recipe(Strict):
    """A whole experiment."""

    version: Literal[1] = Field(alias="schema")
    title: str
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**32)], ...], Field(min_length=1)] = (0,)
    plugins: tuple[str, ...] = ()
    data: DataPart
    features: dict[str, FeaturePart] = Field(default_factory=dict)
    encoder: dict[str, Part] = Field(default_factory=dict)
    context: dict[str, Part] = Field(default_factory=dict)
    fusion: Part | None = None
    head: dict[str, Part] = Field(default_factory=dict)
    model: Part | None = None
    teacher: Teacher | None = None
    loss: Annotated[dict[str, LossPart], Field(min_length=1)]
    metric: dict[str, MetricPart] = Field(default_factory=dict)
    callback: dict[str, Part] = Field(default_factory=dict)
    train: Train = Train()
    run: RunSettings = RunSettings()
    tune: Tune | None = None
    variant: tuple[Variant, ...] = ()
    grid: tuple[dict[str, Any], ...] = ()


_TABLES = Recipe.model_fields.keys() - {"version", "title", "seeds", "plugins"}
_KEYS: Mapping[tuple[str, ...], type[Strict]] = {
    (): Recipe,
    ("train",): Train,
    ("run",): RunSettings,
    ("teacher",): Teacher,
    ("tune",): Tune,
    ("data", "missing"): Missing,
    ("train", "groups", "*"): ParameterGroup,
    ("variant", "*"): Variant,
}


def parse_recipe(tables: Tables, path: str) -> tuple[Recipe | None, list[Mistake]]:
    """Return the typed recipe and every mistake in the tables.

    The recipe lacks the invalid keys, so that its parts can still be checked. It is None if no recipe remains.
    """
    tables = _name_parts(tables)
    try:
        recipe = Recipe.model_validate_json(as_json(tables))
    except ValidationError as error:
        mistakes = mistakes_of(error, tables, lambda loc: f"{path}: {place(loc)}", _keys_at)
        return _without(tables, by_place(error, tables)), mistakes
    return recipe, _cross_mistakes(recipe, path)


def _without(tables: Tables, places: Iterable[Location]) -> Recipe | None:
    left = copy.deepcopy(tables)
    for loc in places:
        table: Any = left
        for part in loc[:-1]:
            table = table[part]
        if loc[-1] == "plugins" or not isinstance(table, dict) or loc[-1] not in table:
            return None
        del table[loc[-1]]
    try:
        return Recipe.model_validate_json(as_json(left))
    except ValidationError:
        return None


def _name_parts(tables: Tables) -> Tables:
    """Return the tables with ``use`` set to the own name of a loss, metric or callback whose table sets none."""
    named = {
        kind: {name: {"use": name, **part} if isinstance(part, dict) else part for name, part in parts.items()}
        for kind in NAMED_BY_TABLE
        if isinstance(parts := tables.get(kind), dict)
    }
    return {**tables, **named}


def _keys_at(table: Location) -> list[str]:
    pattern = tuple("*" if isinstance(part, int) else part for part in table)
    if pattern[:2] == ("tune", "space"):
        return [*Range.model_fields, *Choices.model_fields]
    pattern = (*pattern[:2], "*") if pattern[:2] == ("train", "groups") else pattern
    model = _KEYS.get(pattern)
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def place(loc: Location) -> str:
    """Return a key in the form that a reader of the file would use: ``[train.groups.text] lr``."""
    if loc[0] == "variant":
        number = int(loc[1]) + 1 if len(loc) > 1 else ""
        return f"[[variant]] number {number} {'.'.join(map(str, loc[2:]))}".rstrip()
    keys = [str(part) for part in loc if isinstance(part, str)]
    if len(keys) == 1:
        return f"[{keys[0]}]" if keys[0] in _TABLES else keys[0]
    return f"[{'.'.join(keys[:-1])}] {keys[-1]}"


def _cross_mistakes(recipe: Recipe, path: str) -> list[Mistake]:
    """Return the mistakes between tables that show without data and plugins."""
    checks = (_modality_mistakes, _feature_mistakes, _model_mistakes, _loss_mistakes)
    found = [mistake for check in checks for mistake in check(recipe)]
    return [replace(mistake, where=f"{path}: {mistake.where}") for mistake in found]


def _modality_mistakes(recipe: Recipe) -> Iterator[Mistake]:
    modalities = recipe.data.modalities
    if len(set(modalities)) < len(modalities):
        yield Mistake("[data] modalities", "lists a modality twice")
    for reserved in [name for name in ("default", "joint") if name in modalities]:
        yield Mistake("[data] modalities", f"'{reserved}' is reserved and cannot name a modality")
    for name in recipe.data.missing.lacking if recipe.data.missing is not None else ():
        if name not in modalities:
            yield Mistake("[data.missing] lacking", f"there is no modality '{name}'", did_you_mean(name, modalities))


def _feature_mistakes(recipe: Recipe) -> Iterator[Mistake]:
    for name, part in recipe.features.items():
        table = f"[features.{name}]"
        if part.use is not None and part.file is not None:
            yield Mistake(table, "names both an extractor ('use') and a 'file'", "remove one of them")
        elif part.use is not None and part.fitted_on is not None:
            yield Mistake(f"{table} fitted_on", "applies to files only; an extractor declares it itself")
        elif part.use is None and part.options:
            key, hint = min(part.options), "without 'use', the keys are file and fitted_on"
            guess = did_you_mean(key, FeaturePart.model_fields, hint)
            yield Mistake(f"{table} {key}", "there is no such key", guess)
        elif part.use is None and part.file is None and part.fitted_on is None:
            yield Mistake(table, "is empty", "set use, file or fitted_on")


def _model_mistakes(recipe: Recipe) -> Iterator[Mistake]:
    if recipe.model is not None:
        for kind in ("encoder", "context", "fusion", "head"):
            if getattr(recipe, kind):
                yield Mistake(f"[{kind}]", "cannot be combined with [model], which replaces it", "remove one of them")
        return
    if not recipe.head:
        yield Mistake("[head.TARGET]", "is missing", 'such as [head.emotion] use = "linear"')
    if recipe.fusion is None and len(recipe.data.modalities) > 1:
        yield Mistake("[fusion]", "is missing, but several modalities need one", 'such as use = "concat"')
    for name in recipe.data.modalities:
        if name not in recipe.encoder and "default" not in recipe.encoder:
            yield Mistake(f"[encoder.{name}]", "is missing", "add it, or add [encoder.default] for all modalities")


def _loss_mistakes(recipe: Recipe) -> Iterator[Mistake]:
    rest = [name for name, part in recipe.loss.items() if part.weight == "rest"]
    total = sum(part.weight for part in recipe.loss.values() if part.weight != "rest")
    if len(rest) > 1:
        yield Mistake(f"[loss.{rest[1]}] weight", 'only one loss can have "rest"')
    if rest and total > 1:
        what = f'"rest" is negative: the other weights add up to {total:g}'
        yield Mistake(f"[loss.{rest[0]}] weight", what, "they may add up to at most 1")
    runs = recipe.teacher.run if recipe.teacher is not None and isinstance(recipe.teacher.run, tuple) else ()
    for key, what, listed in (("seeds", "a seed", recipe.seeds), ("[teacher] run", "a run", runs)):
        if len(set(listed)) < len(listed):
            yield Mistake(key, f"lists {what} twice")
    for name, part in recipe.loss.items():
        where = f"[loss.{name}] target"
        if recipe.model is None and part.target is None and len(recipe.head) > 1:
            yield Mistake(where, "is missing, but there are several heads", f"choose one of {', '.join(recipe.head)}")
        if recipe.model is None and part.target is not None and part.target not in recipe.head:
            yield Mistake(where, f"no head is named '{part.target}'", did_you_mean(part.target, recipe.head))


CORE_KEYS = {
    "use", "weight", "target", "modalities", "batch_size", "allow_fitted_dev", "file", "fitted_on",
}  # fmt: skip
"""Keys of a part's table that the core reads itself; no option of a part may have such a name."""
