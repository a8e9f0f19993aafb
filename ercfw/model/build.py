"""Build the model of a recipe."""

from collections.abc import Mapping

from torch import nn

from ercfw.contract.data_info import DataInfo
from ercfw.contract.interfaces import Context, Encoder, FusionBlock, Model
from ercfw.errors import RunError
from ercfw.model.composed_model import ComposedModel
from ercfw.recipe.queries import DEFAULT, JOINT
from ercfw.recipe.schema import Part, Recipe
from ercfw.registry.catalog import Catalog
from ercfw.registry.make import make_part


def build_model(recipe: Recipe, catalog: Catalog, info: DataInfo) -> Model:
    """Build the network of a recipe; its weights are drawn from torch's generator."""
    if recipe.model is not None:
        return make_part(catalog, "model", "model", recipe.model, info)
    encoders: dict[str, Encoder] = {}
    contexts: dict[str, Context] = {}
    widths: dict[str, int] = {}
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
        raise RunError(f"[{table}] {type(part).__name__}: __init__ must set out_dim, the width of its output")
    return width


def _table_for(parts: Mapping[str, Part], kind: str, name: str) -> tuple[str, Part]:
    key = name if name in parts else DEFAULT
    return f"{kind}.{key}", parts[key]


def _joint_context(recipe: Recipe, catalog: Catalog, width: int, info: DataInfo) -> Context | None:
    if JOINT not in recipe.context:
        return None
    return make_part(catalog, "context", f"context.{JOINT}", recipe.context[JOINT], width, info)
