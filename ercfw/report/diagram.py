"""A recipe's network as a Mermaid diagram: streams, parts and losses, with the shapes of their outputs."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from itertools import zip_longest

from torch import nn

from ercfw.contract.data_info import DataInfo, ModalitySpec
from ercfw.contract.interfaces import Loss, Model
from ercfw.data.declared_info import STAND_IN_CLASSES, STAND_IN_WIDTHS, promised_streams, stand_in_info, training_info
from ercfw.errors import InputError
from ercfw.model.build import build_model
from ercfw.model.composed_model import ComposedModel
from ercfw.model.losses import OF_TEACHER, SECOND_PASS, WeightedLosses, asked_of_teachers, build_losses
from ercfw.recipe.queries import JOINT, teacher_runs
from ercfw.recipe.schema import Recipe
from ercfw.registry.resolve import RecipeParts
from ercfw.training.dry_run import made_up_outputs
from ercfw.training.find_widths import find_widths
from ercfw.training.made_up_teachers import like_student

Shapes = Mapping[str, str]
"""The output shape of each table's part, such as ``[N, 256]``."""


def mermaid(recipe: Recipe, parts: RecipeParts) -> str:
    """Return the diagram; D is a width that is known only from the data, and C a number of classes.

    Raises:
        InputError: the recipe's parts cannot be built.
    """
    try:
        info = training_info(parts.dataset)[1]
        streams = [promised_streams(recipe, parts.extractors, width) for width in STAND_IN_WIDTHS]
        infos = [replace(info, modalities=each) for each in streams]
    except InputError:
        pairs = zip(STAND_IN_WIDTHS, STAND_IN_CLASSES, strict=True)
        infos = [stand_in_info(recipe, parts, width, classes) for width, classes in pairs]
    models = [build_model(parts.network, info) for info in infos]
    shapes = [dict(_shapes(model, info)) for model, info in zip(models, infos, strict=True)]
    known = {table: _common(*(of[table] for of in shapes)) for table in shapes[0]}
    losses = _losses(recipe, parts, models[0], infos[0])
    lines = ["flowchart LR", *_nodes(recipe, models[0], known)]
    lines += _loss_lines(recipe, losses.losses, losses.weights, models[0])
    return "\n".join(lines)


def _losses(recipe: Recipe, parts: RecipeParts, model: Model, info: DataInfo) -> WeightedLosses:
    """Build the losses; teachers are taken to be like the student."""
    runs = teacher_runs(recipe)
    asked = asked_of_teachers(parts.losses.values())
    teachers = like_student(made_up_outputs(model, info), runs, asked) if runs else {}
    return build_losses(recipe, parts.losses, info, find_widths(model, parts.losses, info, teachers))


def _shapes(model: Model, info: DataInfo) -> Iterator[tuple[str, str]]:
    for name, spec in info.modalities.items():
        yield name, _stream_shape(spec)
    for target, of_target in info.targets.items():
        yield f"head.{target}", f"logits [N, {len(of_target.classes)}]"
    for table, part in model.parts() if isinstance(model, ComposedModel) else ():
        if not table.startswith("head."):
            yield table, f"[N, {part.out_dim}]"


def _stream_shape(spec: ModalitySpec) -> str:
    return {"vector": f"[N, {spec.dim}]", "frames": f"[N, T, {spec.dim}]", "tokens": "tokens [N, T]"}[spec.kind]


def _common(one: str, other: str) -> str:
    """Return the shape, with a letter for the number that differs between two stand-ins for the data."""
    letter = "C" if one.startswith("logits") else "D"
    words = zip_longest(one.split(" "), other.split(" "), fillvalue="")
    return " ".join(a if a == b else f"{letter}]" for a, b in words)


def _nodes(recipe: Recipe, model: Model, shapes: Shapes) -> Iterator[str]:
    """Yield streams and parts, each with an arrow from its input."""
    for name in recipe.data.modalities:
        yield f"  {_id(name)}([{_label(name, shapes[name])}])"
    if not isinstance(model, ComposedModel):
        assert recipe.model is not None
        yield f"  model[{_label(f'model: {recipe.model.use}', '')}]"
        yield from (f"  {_id(name)} --> model" for name in recipe.data.modalities)
        yield from (f"  model --> {_id(t)}[{_label(t, shapes[t])}]" for t in _heads(shapes))
        return
    last = {name: name for name in recipe.data.modalities}
    for table, _ in model.parts():
        kind, _, name = table.partition(".")
        yield f"  {_id(table)}[{_label(f'{table}: {_use(recipe, kind, name)}', shapes[table])}]"
        if kind == "fusion":
            yield from (f"  {_id(before)} --> fusion" for before in last.values())
            last = {JOINT: "fusion"}
        elif kind == "head":
            yield from (f"  {_id(before)} --> {_id(table)}" for before in last.values())
        else:
            key = name if name in last else next(iter(last))  # without a fusion the only modality goes on
            yield f"  {_id(last[key])} --> {_id(table)}"
            last[key] = table


def _heads(shapes: Shapes) -> list[str]:
    return [table for table in shapes if table.startswith("head.")]


def _use(recipe: Recipe, kind: str, name: str) -> str:
    parts = {"encoder": recipe.encoder, "context": recipe.context, "head": recipe.head}
    if kind == "fusion":
        return recipe.fusion.use if recipe.fusion else ""
    found = parts[kind].get(name) or parts[kind]["default"]
    return found.use


def _loss_lines(recipe: Recipe, losses: nn.ModuleDict, weights: Mapping[str, float], model: Model) -> Iterator[str]:
    """Yield one node per loss, with a dotted arrow from each of its inputs."""
    whole = not isinstance(model, ComposedModel)
    views = "model" if whole else "fusion" if model.fusion is not None else ""
    tables = {table for table, _ in model.parts()} if isinstance(model, ComposedModel) else set()
    for name, loss in losses.items():
        assert isinstance(loss, Loss)
        node = _id(f"loss.{name}")
        yield f"  {node}{{{{{_label(f'{name} × {weights[name]:g}', '')}}}}}"
        head = _id(f"head.{loss.target}")
        for read in loss.requires or ("logits",):
            of_part = read.rpartition(".")[0]
            if read in HEADS_OWN:
                source = head
            elif whole:
                source = "model"
            else:
                source = views if read == "views" and views else _id(of_part) if of_part in tables else head
            yield f"  {source} -. {read} .-> {node}"


HEADS_OWN = ("logits", "embedding", "auxiliary", "teacher", *OF_TEACHER, SECOND_PASS)


def _id(table: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in table)


def _label(text: str, shape: str) -> str:
    safe = text.replace('"', "#quot;")
    return f'"{safe}<br>{shape}"' if shape else f'"{safe}"'
