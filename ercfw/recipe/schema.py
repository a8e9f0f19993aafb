"""The typed recipe: every table and key of the core, and what must hold between them."""

import copy
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationError

from ercfw.errors import Mistake
from ercfw.recipe.search_space import Range, Tune
from ercfw.recipe.toml import Tables
from ercfw.system.validation import Location, Strict, as_json, by_place, mistakes_of

BASE = "base"
PART = r"([1-9]\d?)/([1-9]\d?)"
"""A part of the training split: which, of how many."""
Count = Annotated[int, Field(ge=1)]


class Part(Strict, extra="allow"):
    """A table that names a part; the keys that are not the core's are the part's options."""

    use: str

    @property
    def options(self) -> dict[str, Any]:
        """What the part's constructor is given."""
        return dict(self.model_extra or {})


class Missing(Strict):
    """``[data.missing]``: each modality is taken away from a share of the utterances, or wholly, in these splits."""

    share: Annotated[float, Field(ge=0, lt=1)] = 0.0
    lacking: tuple[str, ...] = ()
    splits: Annotated[tuple[Literal["train", "dev", "test"], ...], Field(min_length=1)] = ("train", "dev", "test")
    seed: Annotated[int, Field(ge=0)] = 0


class DataPart(Part):
    """``[data]``: the dataset, the modalities read, and how many conversations make a batch.

    ``leave_out = "2/5"`` trains without the second fifth of the training conversations.
    """

    modalities: Annotated[tuple[str, ...], Field(min_length=1)]
    batch_size: Count = 32
    allow_fitted_dev: bool = False
    leave_out: Annotated[str, Field(pattern=f"^{PART}$")] | None = None
    missing: Missing | None = None


class FeaturePart(Strict, extra="allow"):
    """``[features.MODALITY]``: an extractor, or a file; and what a file, or the dataset's own, was fitted on."""

    use: str | None = None
    file: str | None = None
    fitted_on: Literal["nothing", "train", "unknown"] | None = None

    @property
    def options(self) -> dict[str, Any]:
        """What the extractor's constructor is given."""
        return dict(self.model_extra or {})


class LossPart(Part):
    """``[loss.NAME]``; ``weight = "rest"`` is 1 minus the others."""

    weight: Annotated[float, Field(ge=0)] | Literal["rest"] = 1.0
    target: str | None = None


class Group(Strict):
    """``[train.groups.NAME]``: settings of the parameters that a part puts in that group."""

    lr: Annotated[float, Field(gt=0)] | None = None
    weight_decay: Annotated[float, Field(ge=0)] | None = None


class Teacher(Strict):
    """``[teacher]``: a finished run, frozen, whose logits losses may read."""

    run: str
    plugin_files: bool = False


class Train(Strict):
    """``[train]``: the optimiser, its schedule, and the protocol."""

    epochs: Count = 20
    lr: Annotated[float, Field(gt=0)] = 1e-3
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop"] = "adam"
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.0
    schedule: Literal["constant", "cosine", "plateau"] = "constant"
    warmup: Annotated[float, Field(ge=0, le=1e6)] = 0.0
    plateau_factor: Annotated[float, Field(gt=0, lt=1)] = 0.95
    plateau_patience: Annotated[int, Field(ge=0)] = 10
    plateau_threshold: Annotated[float, Field(ge=0)] = 1e-6
    clip: Annotated[float, Field(gt=0)] | None = None
    accumulate: Count = 1
    on_out_of_memory: Literal["stop", "halve"] = "stop"
    save_seconds: Annotated[float, Field(ge=0)] = 30.0
    precision: Literal["no", "bf16", "fp16"] = "no"
    device: Literal["auto", "cpu"] = "auto"
    patience: Count | None = None
    protocol: Literal["dev", "release"] = "dev"
    select: str | None = None
    init_from: str | None = None
    groups: dict[str, Group] = Field(default_factory=dict)


class RunSettings(Strict):
    """``[run]``: where and how runs are done; nothing here decides what they give, but for rounding by ``threads``.

    ``options`` are the executor's: for Slurm what submitit calls parameters, for Ray what ``ray.init`` takes.
    """

    executor: Literal["local", "slurm", "ray"] = "local"
    workers: Count | None = None
    threads: Count | None = None
    trackers: tuple[str, ...] = ()
    options: dict[str, Any] = Field(default_factory=dict)


class Variant(Strict):
    """``[[variant]]``: settings laid over the recipe, and tables or keys taken away."""

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
    train: Train = Train()
    run: RunSettings = RunSettings()
    tune: Tune | None = None
    variant: tuple[Variant, ...] = ()


_TABLES = Recipe.model_fields.keys() - {"version", "title", "seeds", "plugins"}
_KEYS: Mapping[tuple[str, ...], type[Strict]] = {
    (): Recipe,
    ("train",): Train,
    ("run",): RunSettings,
    ("teacher",): Teacher,
    ("tune",): Tune,
    ("tune", "space", "*"): Range,
    ("data", "missing"): Missing,
    ("train", "groups", "*"): Group,
    ("variant", "*"): Variant,
}


def parse_recipe(tables: Tables, path: str) -> tuple[Recipe | None, list[Mistake]]:
    """The typed recipe and all that is wrong with the tables.

    What is wrong is left out of the recipe, so that its parts can be checked too; None where that leaves
    no recipe.
    """
    tables = _name_losses(tables)
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


def _name_losses(tables: Tables) -> Tables:
    """A loss table's name is its ``use``, unless it says another."""
    losses = tables.get("loss")
    if not isinstance(losses, dict):
        return tables
    named = {k: {"use": k, **v} if isinstance(v, dict) else v for k, v in losses.items()}
    return {**tables, "loss": named}


def _keys_at(table: Location) -> list[str]:
    pattern = tuple("*" if isinstance(part, int) else part for part in table)
    if pattern[:2] in (("train", "groups"), ("tune", "space")):
        pattern = (*pattern[:2], "*")
    model = _KEYS.get(pattern)
    return [field.alias or name for name, field in model.model_fields.items()] if model else []


def place(loc: Location) -> str:
    """A key as a reader of the file would name it: ``[train.groups.text] lr``."""
    if loc[0] == "variant":
        number = int(loc[1]) + 1 if len(loc) > 1 else ""
        return f"[[variant]] number {number} {'.'.join(map(str, loc[2:]))}".rstrip()
    keys = [str(part) for part in loc if isinstance(part, str)]
    if len(keys) == 1:
        return f"[{keys[0]}]" if keys[0] in _TABLES else keys[0]
    return f"[{'.'.join(keys[:-1])}] {keys[-1]}"


def _cross_mistakes(recipe: Recipe, path: str) -> list[Mistake]:
    """What is wrong between tables; no data and no plugins are needed to see it."""
    found = [*_modality_mistakes(recipe), *_model_mistakes(recipe), *_loss_mistakes(recipe)]
    return [Mistake(f"{path}: {where}", what, mend) for where, what, mend in found]


_Finding = tuple[str, str, str]


def _modality_mistakes(recipe: Recipe) -> Iterable[_Finding]:
    modalities = recipe.data.modalities
    if len(set(modalities)) < len(modalities):
        yield "[data] modalities", "names a modality twice", ""
    for name in modalities:
        if name in ("default", "joint"):
            yield "[data] modalities", f"'{name}' cannot name a modality", "it stands for tables of the core"
    for name in recipe.data.missing.lacking if recipe.data.missing is not None else ():
        if name not in modalities:
            yield "[data.missing] lacking", f"there is no modality '{name}' to lack", ", ".join(modalities)
    for name, part in recipe.features.items():
        if part.use is not None and part.file is not None:
            yield f"[features.{name}]", "names both an extractor ('use') and a 'file'", "one of them"
        elif part.use is None and part.file is None and part.fitted_on is None:
            yield f"[features.{name}]", "says nothing", "use (an extractor), file, or fitted_on"
        elif part.use is not None and part.fitted_on is not None:
            yield f"[features.{name}] fitted_on", "is said of files; extractors say it themselves", ""
        elif part.use is None and part.options:
            yield f"[features.{name}] {min(part.options)}", "there is no such key", "file, fitted_on"


def _model_mistakes(recipe: Recipe) -> Iterable[_Finding]:
    if recipe.model is not None:
        for kind in ("encoder", "context", "fusion", "head"):
            if getattr(recipe, kind):
                yield f"[{kind}]", "[model] replaces it; only one of them can be there", ""
        return
    if not recipe.head:
        yield "[head.TARGET]", "is missing", 'such as [head.emotion] use = "linear"'
    if recipe.fusion is None and len(recipe.data.modalities) > 1:
        yield "[fusion]", "is missing, and there are several modalities", 'use = "concat"'
    for name in recipe.data.modalities:
        if name not in recipe.encoder and "default" not in recipe.encoder:
            yield f"[encoder.{name}]", f"is missing: modality '{name}' has no encoder", "or [encoder.default]"


def _loss_mistakes(recipe: Recipe) -> Iterable[_Finding]:
    rest = [name for name, part in recipe.loss.items() if part.weight == "rest"]
    total = sum(part.weight for part in recipe.loss.values() if part.weight != "rest")
    if len(rest) > 1:
        yield f"[loss.{rest[1]}] weight", 'only one loss can have "rest"', ""
    if rest and total > 1:
        yield f"[loss.{rest[0]}] weight", f'"rest" is below 0: the others add up to {total:g}', "at most 1"
    if len(set(recipe.seeds)) < len(recipe.seeds):
        yield "seeds", "names a seed twice", ""
    for name, part in recipe.loss.items():
        if recipe.model is None and part.target is None and len(recipe.head) > 1:
            yield f"[loss.{name}] target", "is missing, and there are several heads", ", ".join(recipe.head)
        if recipe.model is None and part.target is not None and part.target not in recipe.head:
            yield f"[loss.{name}] target", f"no head is named '{part.target}'", ", ".join(recipe.head)


CORE_KEYS = {
    "use", "weight", "target", "modalities", "batch_size", "allow_fitted_dev", "file", "fitted_on",
}  # fmt: skip
"""Keys of a part's table that the core reads itself; no part may name an option so."""
