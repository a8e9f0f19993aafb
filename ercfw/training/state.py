"""A training: what it is to do, where it stands, and its beginning."""

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
from ercfw.recipe.schema import Train
from ercfw.system.out_of_memory import Memory
from ercfw.training.optimizer import Schedule, make_optimizer, make_schedule


@dataclass(frozen=True)
class Watched:
    """The splits that training may see.

    Attributes:
        train: what it learns from.
        schedule: whose loss the plateau schedule reads.
        select: whose metric chooses the epoch.
        later_wins: which of two equal epochs is the better one.
    """

    train: Sequence[Conversation]
    schedule: Sequence[Conversation]
    select: Sequence[Conversation]
    later_wins: bool = False


@dataclass(frozen=True)
class Plan:
    """What is trained on, and how.

    Attributes:
        settings: the recipe's ``[train]``.
        watched: the splits.
        batch_size: conversations that a model runs at once.
        select: what the best epoch is chosen by, as ``target.metric``.
        metrics: what the watched split is scored by.
        info: the classes.
        seed: of the order of conversations and of dropout.
        state: the file that a resume reads.
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
        """Conversations of an optimiser's step."""
        return self.batch_size * self.settings.accumulate


@dataclass(frozen=True)
class Callbacks:
    """Who is told of what: each epoch's line of the history, each step, and what a reader should know."""

    epoch: Callable[[Epoch], None] = lambda _: None
    step: Callable[[], None] = lambda: None
    warning: Callable[[str], None] = lambda _: None


@dataclass
class Training:
    """A training in progress: with the plan, all that decides what comes next.

    Attributes:
        model: as Accelerate prepared it.
        memory: in how many parts a batch is run.
        best: the weights of the best epoch so far.
        best_losses: what the losses had learnt by then.
        history: a line an epoch.
        underway: of the epoch that has begun: its number and learning rate, steps done, their losses added up,
            seconds; empty between epochs.
        saved_at: when the state was last saved, on the monotonic clock.
    """

    accelerator: Accelerator
    model: nn.Module
    losses: WeightedLosses
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    memory: Memory
    best: dict[str, Tensor] = field(default_factory=dict)
    best_losses: dict[str, Tensor] = field(default_factory=dict)
    best_epoch: int = 0
    history: list[Epoch] = field(default_factory=list)
    underway: dict[str, Any] = field(default_factory=dict)
    saved_at: float = field(default_factory=time.monotonic)


def start(accelerator: Accelerator, model: nn.Module, losses: WeightedLosses, plan: Plan) -> Training:
    """A training at its beginning.

    Raises:
        InputError: batches are to be halved, and there are several processes.
    """
    settings = plan.settings
    if settings.on_out_of_memory == "halve" and accelerator.num_processes > 1:
        what = "'halve' is for one process: the others would not know of it"
        raise InputError.at("[train] on_out_of_memory", what, "a lower data.batch_size with a higher train.accumulate")
    losses.to(accelerator.device)
    optimizer = make_optimizer(settings, nn.ModuleList([model, losses]))
    schedule = make_schedule(settings, optimizer, math.ceil(len(plan.watched.train) / plan.step_size))
    prepared, optimizer = accelerator.prepare(model, optimizer)
    memory = Memory(settings.accumulate, plan.step_size, settings.on_out_of_memory == "halve")
    return Training(accelerator, prepared, losses, optimizer, schedule, memory)
