"""The one place where a recipe becomes objects."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from ercfw.catalog import Catalog
from ercfw.contract.batch import Outputs
from ercfw.contract.data_info import DataInfo
from ercfw.contract.interfaces import Context, FusionBlock, Loss, Model
from ercfw.errors import ErcfwError, InputError, Mistake, RunError, cause_of, did_you_mean
from ercfw.model import ComposedModel
from ercfw.options import read_options, written_options
from ercfw.recipe.queries import DEFAULT, JOINT, loss_weights, parts_of, selected_metric
from ercfw.recipe.schema import FeaturePart, Part, Recipe
from ercfw.recipe.toml import Tables

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


def check_parts(recipe: Recipe, catalog: Catalog, where: str) -> list[Mistake]:
    """Names that nobody offers, options that a part does not take, metrics that do not exist."""
    mistakes: list[Mistake] = []
    for kind, table, part in parts_of(recipe):
        try:
            component = catalog.find(kind, str(part.use), f"{where}: [{table}] use")
        except InputError as error:
            mistakes += error.mistakes
            continue
        mistakes += read_options(component.made_by, part.options, f"{where}: [{table}]")[1]
    mistakes += _select_mistakes(recipe, catalog, f"{where}: [train] select")
    return mistakes + [
        Mistake(f"{where}: {place}", f"'{name}' cannot be used as a name", "at most 64 letters, digits, - and _")
        for place, names in (
            ("[data] modalities", recipe.data.modalities),
            ("[loss]", recipe.loss),
            ("[head]", recipe.head),
        )
        for name in names
        if not NAME.fullmatch(name) or hasattr(nn.ModuleDict(), name)
    ]


def _select_mistakes(recipe: Recipe, catalog: Catalog, where: str) -> Iterable[Mistake]:
    target, dot, metric = selected_metric(recipe).partition(".")
    if not dot:
        yield Mistake(where, f"'{target}' is not of the form TARGET.METRIC", "emotion.weighted-f1")
        return
    if metric not in catalog.names("metric"):
        yield Mistake(where, f"there is no metric named '{metric}'", did_you_mean(metric, catalog.names("metric")))
    if recipe.head and target not in recipe.head:
        yield Mistake(where, f"no head is named '{target}'", did_you_mean(target, recipe.head))


def resolved_tables(recipe: Recipe, catalog: Catalog) -> Tables:
    """The recipe with every default written out, the parts' options too; without ``[run]`` and ``[tune]``."""
    tables = recipe.model_dump(mode="json", by_alias=True, exclude_none=True, exclude={"variant", "run", "tune"})
    for kind, table, part in parts_of(recipe):
        made_by = catalog.find(kind, str(part.use), table).made_by
        place: Any = tables
        for key in table.split(".", 1):
            place = place[key]
        place.update(written_options(made_by, part.options))
    tables["train"]["select"] = selected_metric(recipe)
    return {key: value for key, value in tables.items() if value not in ({}, [])}


def make_part(catalog: Catalog, kind: str, table: str, part: Part | FeaturePart, *wired: Any) -> Any:
    """A part with its options; what its constructor raises names the table.

    Raises:
        InputError: an option is wrong.
        RunError: the part's own code failed.
    """
    component = catalog.find(kind, str(part.use), f"[{table}] use")
    options, mistakes = read_options(component.made_by, part.options, f"[{table}]")
    if mistakes:
        raise InputError(mistakes)
    try:
        return component.made_by(*wired, **options)
    except InputError as error:
        named = [m if m.where.startswith("[") else replace(m, where=f"[{table}] {m.where}") for m in error.mistakes]
        raise InputError(named) from error
    except (ErcfwError, KeyboardInterrupt, MemoryError):
        raise
    except Exception as error:
        raise RunError(f"[{table}] {kind} '{part.use}' failed: {cause_of(error)}") from error


def build_model(recipe: Recipe, catalog: Catalog, info: DataInfo) -> Model:
    """The network of a recipe, its weights drawn from torch's current seed."""
    if recipe.model is not None:
        model: Model = make_part(catalog, "model", "model", recipe.model, info)
        return model
    encoders, contexts, widths = {}, {}, {}
    for name in recipe.data.modalities:
        table, part = _table_for(recipe.encoder, "encoder", name)
        encoders[name] = make_part(catalog, "encoder", table, part, info.modalities[name], info)
        widths[name] = _out_dim(encoders[name], table)
    for name in recipe.data.modalities:
        if name in recipe.context or DEFAULT in recipe.context:
            table, part = _table_for(recipe.context, "context", name)
            contexts[name] = make_part(catalog, "context", table, part, widths[name], info)
            widths[name] = _out_dim(contexts[name], table)
    fusion: FusionBlock | None = None
    if recipe.fusion is not None:
        fusion = make_part(catalog, "fusion", "fusion", recipe.fusion, widths, info)
    width = _out_dim(fusion, "fusion") if fusion is not None else widths[recipe.data.modalities[0]]
    joint = _joint_context(recipe, catalog, width, info)
    width = _out_dim(joint, f"context.{JOINT}") if joint is not None else width
    heads = {
        target: make_part(catalog, "head", f"head.{target}", part, width, target, info)
        for target, part in recipe.head.items()
    }
    return ComposedModel(encoders, contexts, fusion, joint, heads)


def _out_dim(part: nn.Module, table: str) -> int:
    width = getattr(part, "out_dim", None)
    if not isinstance(width, int):
        raise RunError(f"[{table}] {type(part).__name__}: __init__ must set out_dim, the width of what it gives")
    return width


def _table_for(parts: Mapping[str, Part], kind: str, name: str) -> tuple[str, Part]:
    key = name if name in parts else DEFAULT
    return f"{kind}.{key}", parts[key]


def _joint_context(recipe: Recipe, catalog: Catalog, width: int, info: DataInfo) -> Context | None:
    if JOINT not in recipe.context:
        return None
    context: Context = make_part(catalog, "context", f"context.{JOINT}", recipe.context[JOINT], width, info)
    return context


class WeightedLosses(nn.Module):
    """The losses of a recipe and their weights."""

    def __init__(self, losses: Mapping[str, Loss], weights: Mapping[str, float]) -> None:
        super().__init__()
        self.losses = nn.ModuleDict(dict(losses))
        self.weights = dict(weights)

    def forward(self, outputs: Outputs, targets: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Each loss, weighted; their sum is what training minimises."""
        return {name: self.weights[name] * loss(outputs, targets) for name, loss in self.losses.items()}


def build_losses(recipe: Recipe, catalog: Catalog, info: DataInfo) -> WeightedLosses:
    """The losses of a recipe; one that names no target is of the first head.

    Raises:
        InputError: an option is wrong.
        RunError: a loss' own code failed.
    """
    first = next(iter(recipe.head or info.targets))
    losses = {
        name: make_part(catalog, "loss", f"loss.{name}", part, part.target or first, info)
        for name, part in recipe.loss.items()
    }
    return WeightedLosses(losses, loss_weights(recipe))
