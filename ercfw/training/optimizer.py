"""Make the optimiser, parameter groups and schedule of a ``[train]`` table."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, ReduceLROnPlateau, SequentialLR

from ercfw.contract.optional_parts import SupportsParameterGroups
from ercfw.errors import InputError, did_you_mean
from ercfw.recipe.train_tables import Train

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
}


def make_optimizer(settings: Train, modules: nn.Module) -> torch.optim.Optimizer:
    """Make the optimiser of all parameters.

    Raises:
        InputError: as ``optimizer_arguments``.
    """
    groups, options = optimizer_arguments(settings, modules)
    return OPTIMIZERS[settings.optimizer](groups, **options)


def optimizer_arguments(settings: Train, modules: nn.Module) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the parameter groups and the settings that apply to all of them.

    A group that a part names (``parameter_groups``) gets the settings of ``[train.groups.NAME]``.

    Raises:
        InputError: the recipe sets a group that no part names, two groups share a parameter, or the optimiser has no
            momentum.
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
        chosen = {key: value for key, value in group.model_dump().items() if value is not None}
        groups.append({"params": named[name], **chosen})
        taken |= {id(parameter) for parameter in named[name]}
    rest = [p for p in modules.parameters() if p.requires_grad and id(p) not in taken]
    groups.append({"params": rest})
    options: dict[str, Any] = {"lr": settings.lr, "weight_decay": settings.weight_decay}
    if settings.momentum:
        if settings.optimizer not in ("sgd", "rmsprop"):
            raise InputError.at(
                "[train] momentum", f"'{settings.optimizer}' has no momentum", "only sgd and rmsprop have one"
            )
        options["momentum"] = settings.momentum
    if settings.optimizer != "rmsprop":
        options["fused"] = True
    return groups, options


def _named_groups(modules: nn.Module) -> dict[str, list[nn.Parameter]]:
    groups: dict[str, dict[int, nn.Parameter]] = {}
    for module in modules.modules():
        if isinstance(module, SupportsParameterGroups):
            for name, parameters in module.parameter_groups().items():
                groups.setdefault(name, {}).update({id(p): p for p in parameters if p.requires_grad})
    return {name: list(parameters.values()) for name, parameters in groups.items()}


@dataclass
class Schedule:
    """The learning rate schedule: one scheduler steps with the optimiser, one reads a loss after each epoch."""

    each_step: LRScheduler | None
    plateau: ReduceLROnPlateau | None

    def step(self) -> None:
        """Advance the schedule by an optimiser step."""
        if self.each_step is not None:
            self.each_step.step()

    def epoch(self, loss: float) -> None:
        """Advance the schedule by an epoch that ended with this loss."""
        if self.plateau is not None:
            self.plateau.step(loss)

    def state_dict(self) -> dict[str, Any]:
        """Return the state that a resume needs."""
        schedulers = {"each_step": self.each_step, "plateau": self.plateau}
        return {name: scheduler.state_dict() for name, scheduler in schedulers.items() if scheduler is not None}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state that ``state_dict`` returned."""
        if self.each_step is not None:
            self.each_step.load_state_dict(state["each_step"])
        if self.plateau is not None:
            self.plateau.load_state_dict(state["plateau"])


def make_schedule(settings: Train, optimizer: torch.optim.Optimizer, steps_per_epoch: int) -> Schedule:
    """Make the schedule: a linear warm-up, then constant, cosine to 0, or by plateaus of the watched loss."""
    warmup = round(settings.warmup * steps_per_epoch)
    each_step: LRScheduler | None = None
    if warmup:
        each_step = LinearLR(optimizer, start_factor=1 / (warmup + 1), total_iters=warmup)
    if settings.schedule == "cosine":
        cosine = CosineAnnealingLR(optimizer, T_max=max(1, settings.epochs * steps_per_epoch - warmup))
        each_step = SequentialLR(optimizer, [each_step, cosine], [warmup]) if each_step is not None else cosine
    plateau = None
    if settings.schedule == "plateau":
        plateau = ReduceLROnPlateau(
            optimizer,
            factor=settings.plateau_factor,
            patience=settings.plateau_patience,
            threshold=settings.plateau_threshold,
        )
    return Schedule(each_step, plateau)
