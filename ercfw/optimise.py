"""Optimisers, parameter groups and schedules, as a recipe's ``[train]`` table names them."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, ReduceLROnPlateau

from ercfw.errors import InputError, did_you_mean
from ercfw.recipe import Train

OPTIMIZERS: dict[str, type[torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "sgd": torch.optim.SGD,
    "rmsprop": torch.optim.RMSprop,
}


def make_optimizer(settings: Train, modules: nn.Module) -> torch.optim.Optimizer:
    """The optimiser over all parameters; those a part names as a group get that group's settings.

    Raises:
        InputError: the recipe sets a group that no part names, or momentum where there is none.
    """
    named = dict(_named_groups(modules))
    for name in settings.groups:
        if name not in named:
            raise InputError.at(f"[train.groups.{name}]", "no part names such a group", did_you_mean(name, named))
    taken: set[int] = set()
    groups: list[dict[str, object]] = []
    for name, group in settings.groups.items():
        chosen = {key: value for key, value in group.model_dump().items() if value is not None}
        groups.append({"params": named[name], **chosen})
        taken |= {id(parameter) for parameter in named[name]}
    rest = [p for p in modules.parameters() if p.requires_grad and id(p) not in taken]
    groups.append({"params": rest})
    options: dict[str, object] = {"lr": settings.lr, "weight_decay": settings.weight_decay}
    if settings.momentum:
        if settings.optimizer not in ("sgd", "rmsprop"):
            raise InputError.at("[train] momentum", f"'{settings.optimizer}' takes none", "sgd, rmsprop")
        options["momentum"] = settings.momentum
    if settings.optimizer != "rmsprop":
        options["fused"] = True
    return OPTIMIZERS[settings.optimizer](groups, **options)  # type: ignore[arg-type]


def _named_groups(modules: nn.Module) -> Iterator[tuple[str, list[nn.Parameter]]]:
    groups: dict[str, list[nn.Parameter]] = {}
    for module in modules.modules():
        if hasattr(module, "parameter_groups"):
            for name, parameters in module.parameter_groups().items():  # type: ignore[operator]
                groups.setdefault(name, []).extend(parameters)
    return iter(groups.items())


@dataclass
class Schedule:
    """The learning rate over time: some schedulers step with the optimiser, one reads a loss each epoch."""

    each_step: list[LRScheduler]
    plateau: ReduceLROnPlateau | None

    def step(self) -> None:
        """After an optimiser step."""
        for scheduler in self.each_step:
            scheduler.step()

    def epoch(self, loss: float) -> None:
        """After an epoch whose watched loss was this."""
        if self.plateau is not None:
            self.plateau.step(loss)

    def state_dict(self) -> dict[str, object]:
        """What a resume needs."""
        steps = [scheduler.state_dict() for scheduler in self.each_step]
        return {"each_step": steps, "plateau": self.plateau.state_dict() if self.plateau else None}

    def load_state_dict(self, state: dict[str, object]) -> None:
        """The inverse of ``state_dict``."""
        for scheduler, saved in zip(self.each_step, state["each_step"], strict=True):  # type: ignore[call-overload]
            scheduler.load_state_dict(saved)
        if self.plateau is not None:
            self.plateau.load_state_dict(state["plateau"])  # type: ignore[arg-type]


def make_schedule(settings: Train, optimizer: torch.optim.Optimizer, steps_per_epoch: int) -> Schedule:
    """Warm-up (in epochs, linear from near 0), then constant, cosine to 0, or by plateaus of the watched loss."""
    each_step: list[LRScheduler] = []
    warmup = round(settings.warmup * steps_per_epoch)
    if warmup:
        each_step.append(LinearLR(optimizer, start_factor=1 / (warmup + 1), total_iters=warmup))
    if settings.schedule == "cosine":
        each_step.append(CosineAnnealingLR(optimizer, T_max=settings.epochs * steps_per_epoch))
    plateau = None
    if settings.schedule == "plateau":
        plateau = ReduceLROnPlateau(
            optimizer,
            factor=settings.plateau_factor,
            patience=settings.plateau_patience,
            threshold=settings.plateau_threshold,
        )
    return Schedule(each_step, plateau)
