"""The plan and the state of a training, and who is told of its progress."""

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
from ercfw.contract.metric import Metric, Scale, traits_of
from ercfw.contract.training_parts import Callback, Sampler
from ercfw.model.losses import WeightedLosses
from ercfw.recipe.train_tables import Train
from ercfw.registry.resolve import TrainingParts
from ercfw.system.out_of_memory import BatchParts
from ercfw.training.schedule import Schedule


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
        parts: the optimiser, schedule, sampler and callbacks.
    """

    settings: Train
    watched: Watched
    batch_size: int
    select: str
    metrics: Mapping[str, Metric]
    info: DataInfo
    seed: int
    state: Path
    parts: TrainingParts

    @property
    def scale(self) -> Scale:
        """Return how the scores are read that choose the epoch."""
        return traits_of(self.metrics[self.select.partition(".")[2]]).scale

    @property
    def step_size(self) -> int:
        """Return the number of conversations per optimiser step."""
        return self.batch_size * self.settings.accumulate


@dataclass(frozen=True)
class Listeners:
    """Functions that a training calls to report its progress; they do not take part in it.

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
        steps: the number of steps of each epoch.
        sampler: chooses the conversations of each epoch; None = all, in random order.
        callbacks: the callbacks by the names of their tables.
        parts: the modules of model and losses by the names of their tables.
        order: the numbers of the conversations of the current epoch; empty between epochs.
        ended: whether a callback has ended the training.
        best: the weights of the best epoch so far.
        best_losses: the parameters of the losses after the best epoch.
        best_epoch: the number of the best epoch; 0 before the first.
        history: one entry per epoch.
        underway: number, learning rate, steps, sums of losses and seconds of the current epoch; empty between epochs.
        saved_at: the time of the last checkpoint on the monotonic clock.
        saving_took: the seconds that it took to write it.
    """

    accelerator: Accelerator
    model: nn.Module
    losses: WeightedLosses
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    memory: BatchParts
    steps: tuple[int, ...]
    sampler: Sampler | None = None
    callbacks: Mapping[str, Callback] = field(default_factory=dict)
    parts: Mapping[str, nn.Module] = field(default_factory=dict)
    order: list[int] = field(default_factory=list)
    ended: bool = False
    best: dict[str, Tensor] = field(default_factory=dict)
    best_losses: dict[str, Tensor] = field(default_factory=dict)
    best_epoch: int = 0
    history: list[Epoch] = field(default_factory=list)
    underway: dict[str, Any] = field(default_factory=dict)
    saved_at: float = field(default_factory=time.monotonic)
    saving_took: float = 0.0
