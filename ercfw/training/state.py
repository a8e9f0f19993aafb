"""The plan and the state of a training, and the function that starts one."""

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ercfw.contract.conversation import Conversation
from ercfw.contract.data_info import DataInfo
from ercfw.contract.hooks import Epoch
from ercfw.contract.interfaces import Metric
from ercfw.errors import InputError
from ercfw.model.losses import WeightedLosses
from ercfw.recipe.train_tables import Train
from ercfw.system.out_of_memory import BatchParts
from ercfw.training.optimizer import Schedule, make_optimizer, make_schedule


@dataclass(frozen=True)
class Watched:
    """The splits that training may see.

    Attributes:
        train: the conversations that the model learns from.
        schedule: the conversations whose loss the plateau schedule reads.
        select: the conversations whose metric chooses the epoch.
        later_wins: whether the later of two equal epochs is chosen.
    """

    train: Sequence[Conversation]
    schedule: Sequence[Conversation]
    select: Sequence[Conversation]
    later_wins: bool = False


@dataclass(frozen=True)
class Plan:
    """The data and settings of a training.

    Attributes:
        settings: the ``[train]`` table of the recipe.
        watched: the splits.
        batch_size: the number of conversations that a model runs at once.
        select: the metric that chooses the best epoch, as ``target.metric``.
        metrics: the metrics that score the watched split.
        info: the statistics of the data.
        seed: the seed of the order of conversations and of dropout.
        state: the file of the checkpoint.
    """

    settings: Train
    watched: Watched
    batch_size: int
    select: str
    metrics: Mapping[str, Metric]
    info: DataInfo
    seed: int
    state: Path

    @property
    def step_size(self) -> int:
        """Return the number of conversations per optimiser step."""
        return self.batch_size * self.settings.accumulate


@dataclass(frozen=True)
class Callbacks:
    """Functions that a training calls.

    Attributes:
        epoch: called after each epoch with its entry of the history.
        step: called after each optimiser step.
        warning: called with the text of each warning.
    """

    epoch: Callable[[Epoch], None] = lambda _: None
    step: Callable[[], None] = lambda: None
    warning: Callable[[str], None] = lambda _: None


@dataclass
class Training:
    """The state of a training in progress; together with the plan it determines all later steps.

    Attributes:
        accelerator: device, precision and processes.
        model: the model, as Accelerate prepared it.
        losses: the losses, which may have parameters of their own.
        optimizer: the optimiser.
        schedule: the learning rate schedule.
        memory: the number of parts in which a batch is run.
        best: the weights of the best epoch so far.
        best_losses: the parameters of the losses after the best epoch.
        best_epoch: the number of the best epoch; 0 before the first.
        history: one entry per epoch.
        underway: number, learning rate, steps, sums of losses and seconds of the current epoch; empty between epochs.
        saved_at: the time of the last checkpoint on the monotonic clock.
    """

    accelerator: Accelerator
    model: nn.Module
    losses: WeightedLosses
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    memory: BatchParts
    best: dict[str, Tensor] = field(default_factory=dict)
    best_losses: dict[str, Tensor] = field(default_factory=dict)
    best_epoch: int = 0
    history: list[Epoch] = field(default_factory=list)
    underway: dict[str, Any] = field(default_factory=dict)
    saved_at: float = field(default_factory=time.monotonic)


def start(accelerator: Accelerator, model: nn.Module, losses: WeightedLosses, plan: Plan) -> Training:
    """Start a training.

    Raises:
        InputError: the recipe asks for halved batches, and there are several processes.
    """
    settings = plan.settings
    if settings.on_out_of_memory == "halve" and accelerator.num_processes > 1:
        what = "'halve' works in a single process only"
        raise InputError.at(
            "[train] on_out_of_memory", what, "use a lower data.batch_size with a higher train.accumulate"
        )
    losses.to(accelerator.device)
    optimizer = make_optimizer(settings, nn.ModuleList([model, losses]))
    schedule = make_schedule(settings, optimizer, math.ceil(len(plan.watched.train) / plan.step_size))
    prepared, optimizer = accelerator.prepare(model, optimizer)
    memory = BatchParts(settings.accumulate, plan.step_size, settings.on_out_of_memory == "halve")
    return Training(accelerator, prepared, losses, optimizer, schedule, memory)
