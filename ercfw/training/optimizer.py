"""Make the optimiser and the parameter groups of a ``[train]`` table."""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from ercfw.contract.optional_parts import SupportsParameterGroups, SupportsParameterLayers
from ercfw.errors import ErcfwError, InputError, RunError, cause_of, did_you_mean
from ercfw.recipe.train_tables import ParameterGroup, Train
from ercfw.registry.options import constructor_arguments
from ercfw.registry.resolve import ResolvedPart

FUSED = (torch.optim.Adam, torch.optim.AdamW, torch.optim.SGD)
"""The classes whose fused step every device has; for the others, torch chooses."""


def make_optimizer(settings: Train, part: ResolvedPart[Optimizer], modules: nn.Module) -> Optimizer:
    """Make the optimiser of all parameters.

    Raises:
        InputError: as ``optimizer_arguments``, or the optimiser refuses an option or a parameter.
        RunError: the code of the optimiser failed.
    """
    return _construct(part, *optimizer_arguments(settings, part, modules))


def check_optimizer(settings: Train, part: ResolvedPart[Optimizer], modules: nn.Module) -> Optimizer:
    """Check the settings without the model's parameters, which may have no memory; return a stand-in's optimiser.

    Raises:
        InputError: as ``make_optimizer``.
        RunError: the code of the optimiser failed.
    """
    groups, options = optimizer_arguments(settings, part, modules)
    stand_ins = [{**group, "params": [_stand_in(p) for p in group["params"]]} for group in groups]
    return _construct(part, stand_ins, options)


def has_torch_defaults(part: ResolvedPart[Optimizer]) -> bool:
    """Return whether this is an optimiser of torch with its default options, which the recipe's schema fully checks."""
    return part.component.factory in FUSED and not part.options.model_fields_set


def _stand_in(parameter: nn.Parameter) -> nn.Parameter:
    return nn.Parameter(torch.zeros((1,) * parameter.ndim))


def optimizer_arguments(
    settings: Train, part: ResolvedPart[Optimizer], modules: nn.Module
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the parameter groups and the settings that apply to all of them.

    A group that a part names (``parameter_groups``) gets the settings of ``[train.groups.NAME]``.

    Raises:
        InputError: the recipe sets a group that no part names, two groups share a parameter, a group has no layers for
            its ``layer_decay``, or the optimiser has no momentum or weight decay.
    """
    named = _named_groups(modules)
    for name in settings.groups:
        if name not in named:
            raise InputError.at(f"[train.groups.{name}]", "no part has this group", did_you_mean(name, named))
    taken: set[int] = set()
    groups: list[dict[str, Any]] = []
    for name, group in settings.groups.items():
        if any(id(parameter) in taken for parameter in named[name]):
            raise InputError.at(f"[train.groups.{name}]", "shares a parameter with another group")
        groups += _groups_of(name, group, named[name], settings.lr, modules)
        taken |= {id(parameter) for parameter in named[name]}
    rest = [p for p in modules.parameters() if p.requires_grad and id(p) not in taken]
    groups.append({"params": rest})
    return groups, _shared_settings(settings, part)


def _shared_settings(settings: Train, part: ResolvedPart[Optimizer]) -> dict[str, Any]:
    """Return the keyword arguments of the optimiser: the keys of ``[train]``, and the options of its own table."""
    factory, name = part.component.factory, part.component.name
    parameters = inspect.signature(factory).parameters
    given: dict[str, Any] = {"lr": settings.lr}
    if "weight_decay" in parameters:
        given["weight_decay"] = settings.weight_decay
    elif settings.weight_decay or any(group.weight_decay for group in settings.groups.values()):
        raise InputError.at("[train] weight_decay", f"'{name}' has no weight decay", "remove it")
    if settings.momentum:
        if "momentum" not in parameters:
            raise InputError.at("[train] momentum", f"'{name}' has no momentum", "remove it, or use sgd or rmsprop")
        given["momentum"] = settings.momentum
    if factory in FUSED:
        given["fused"] = True
    return given | constructor_arguments(part.options)


def _construct(part: ResolvedPart[Optimizer], groups: list[dict[str, Any]], options: Mapping[str, Any]) -> Optimizer:
    place, name = f"[{part.table}]", part.component.name
    try:
        made: Optimizer = part.component.factory(groups, **options)
    except ErcfwError:
        raise
    except ValueError as error:  # as torch reports an option out of its range, or parameters that it cannot train
        raise InputError.at(place, f"optimizer '{name}' refuses its settings: {error}") from error
    except Exception as error:
        raise RunError(f"{place} optimizer '{name}' failed: {cause_of(error)}") from error
    return made


def _groups_of(
    name: str, group: ParameterGroup, parameters: Sequence[nn.Parameter], lr: float, modules: nn.Module
) -> Iterator[dict[str, Any]]:
    """Yield the parameter group that a part names; with ``layer_decay``, one per layer, from the highest one."""
    chosen = group.model_dump(exclude_none=True, exclude={"layer_decay"})
    if group.layer_decay is None:
        yield {"params": list(parameters), **chosen}
        return
    layers = _layers(modules, name)
    if not layers:
        raise InputError.at(f"[train.groups.{name}] layer_decay", "the parameters of this group have no layers")
    below = {id(parameter) for layer in layers[1:] for parameter in layer}
    layers[0] = [parameter for parameter in parameters if id(parameter) not in below]
    for depth, layer in enumerate(layers):
        if held := [parameter for parameter in layer if parameter.requires_grad]:
            yield {"params": held, **chosen, "lr": (group.lr or lr) * group.layer_decay**depth}


def _layers(modules: nn.Module, group: str) -> list[list[nn.Parameter]]:
    """Return the layers of a group, the highest first; the layers of several modules count from their highest ones."""
    layers: list[list[nn.Parameter]] = []
    for module in modules.modules():
        if isinstance(module, SupportsParameterLayers):
            for depth, layer in enumerate(reversed(module.parameter_layers().get(group, ()))):
                layers += [[]] if depth == len(layers) else []
                layers[depth] += layer
    return layers


def _named_groups(modules: nn.Module) -> dict[str, list[nn.Parameter]]:
    groups: dict[str, dict[int, nn.Parameter]] = {}
    for module in modules.modules():
        if isinstance(module, SupportsParameterGroups):
            for name, parameters in module.parameter_groups().items():
                groups.setdefault(name, {}).update({id(p): p for p in parameters if p.requires_grad})
    return {name: list(parameters.values()) for name, parameters in groups.items()}
