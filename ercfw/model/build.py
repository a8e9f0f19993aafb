"""Build the model of a recipe."""

from collections.abc import Mapping

from torch import nn

from ercfw.contract.data_info import DataInfo
from ercfw.contract.interfaces import Context, Encoder, FusionBlock, Model
from ercfw.errors import RunError
from ercfw.model.composed_model import ComposedModel
from ercfw.registry.make import make_part
from ercfw.registry.resolve import NetworkParts


def build_model(parts: NetworkParts, info: DataInfo) -> Model:
    """Build a network; its weights are drawn from torch's generator.

    Raises:
        InputError: an option of a part is wrong.
        RunError: the code of a part failed.
    """
    if parts.model is not None:
        return make_part(parts.model, info)
    encoders: dict[str, Encoder] = {}
    contexts: dict[str, Context] = {}
    widths: dict[str, int] = {}
    for name, encoder in parts.encoders.items():
        encoders[name] = make_part(encoder, info.modalities[name], info)
        widths[name] = _out_dim(encoders[name], encoder.table)
    for name, context in parts.contexts.items():
        contexts[name] = make_part(context, widths[name], info)
        widths[name] = _out_dim(contexts[name], context.table)
    fusion: FusionBlock | None = None
    width = next(iter(widths.values()))
    views: Mapping[str, int] = widths
    if parts.fusion is not None:
        fusion = make_part(parts.fusion, widths, info)
        width = _out_dim(fusion, parts.fusion.table)
        views = widths if fusion.view_dims is None else fusion.view_dims
    joint: Context | None = None
    if parts.joint is not None:
        joint = make_part(parts.joint, width, info)
        width = _out_dim(joint, parts.joint.table)
    heads = {target: make_part(head, width, target, info, views) for target, head in parts.heads.items()}
    return ComposedModel(encoders, contexts, fusion, joint, heads)


def _out_dim(part: nn.Module, table: str) -> int:
    width = getattr(part, "out_dim", None)
    if not isinstance(width, int):
        raise RunError(f"[{table}] {type(part).__name__}: __init__ must set out_dim, the width of its output")
    return width
