"""Base classes of the parts that take part in a training: samplers and callbacks, and what a callback sees."""

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ercfw.contract.batch import Inputs
from ercfw.contract.conversation import Conversation
from ercfw.contract.data_info import DataInfo
from ercfw.contract.epoch import Epoch


class Sampler(ABC):
    """Chooses and orders the conversations of each epoch; constructed with ``(conversations, info, *, options)``.

    Conversations are named by their number in ``conversations``, from 0. Every process computes the same order. A
    sampler may learn from the losses of each step: see ``ercfw.SupportsObserve``.

    Attributes:
        conversations: the training conversations.
        info: the description of the training data.
    """

    def __init__(self, conversations: Sequence[Conversation], info: DataInfo) -> None:
        self.conversations = conversations
        self.info = info

    @abstractmethod
    def epoch(self, number: int, generator: np.random.Generator) -> Sequence[int]:
        """Return the numbers of the epoch's conversations, in order; numbers may repeat or be left out.

        Args:
            number: the epoch, from 1.
            generator: seeded by the run's seed and the epoch; use no other source of random numbers.
        """

    def size(self, number: int) -> int:
        """Return how many numbers ``epoch`` returns for an epoch; schedules need it before the training."""
        return len(self.conversations)

    def state_dict(self) -> dict[str, Any]:
        """Return what later epochs depend on: nested dicts and lists of tensors and plain values."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:  # noqa: B027  # only samplers with a state need it
        """Restore the state that ``state_dict`` returned."""


@dataclass(frozen=True)
class TrainingView:
    """What a callback sees of a training; it may change the model, the gradients and the optimiser's settings.

    Attributes:
        model: the model.
        losses: the losses, which may have parameters of their own.
        parts: the modules of the model and the losses by the name of their table, such as ``encoder.text``.
        optimizer: the optimiser.
        inputs: the inputs of the current step, one entry per part in which this process runs it; empty between steps.
        epoch: the number of the epoch, from 1; 0 before the training.
        step: the number of the step in the epoch, from 1; between steps, the number of finished steps.
        steps: the same, counted from the beginning of the training.
        epochs: the maximum number of epochs.
        history: the entries of the finished epochs.
        scores: the names of the watched scores, as ``target.metric``.
        gradient_scale: the number by which gradients are multiplied until the optimiser's step; 1 except under fp16.
        seed: the seed of the run.
        name: the name of the callback's table.
        select: the score that chooses the epoch, as ``target.metric``.
        lower_is_better: those of the scores for which lower is better.
    """

    model: nn.Module
    losses: nn.Module
    parts: Mapping[str, nn.Module]
    optimizer: torch.optim.Optimizer
    inputs: tuple[Inputs, ...]
    epoch: int
    step: int
    steps: int
    epochs: int
    history: Sequence[Epoch]
    scores: Sequence[str]
    gradient_scale: float
    seed: int
    name: str
    select: str = ""
    lower_is_better: frozenset[str] = frozenset()

    def generator(self) -> torch.Generator:
        """Return a generator on the CPU, seeded by seed, epoch, step and table, and so the same in every process."""
        table = int.from_bytes(hashlib.sha256(self.name.encode()).digest()[:4])
        entropy = np.random.SeedSequence((self.seed, self.epoch, self.step, table))
        return torch.Generator().manual_seed(int(entropy.generate_state(1, np.uint64)[0] >> 1))

    def parameters(self) -> list[nn.Parameter]:
        """Return the parameters of model and losses that are trained."""
        return [p for module in (self.model, self.losses) for p in module.parameters() if p.requires_grad]


class Callback:
    """Acts at certain moments of a training; constructed with ``(info, *, options)``.

    The methods do nothing unless a callback overrides them. Several callbacks are called in the order of their tables
    (``after_scoring`` in the reverse order). Every process calls them with the same values, except ``inputs``. A run
    that is killed and resumed ends in the same bits if the callback keeps what it remembers in ``state_dict``, and
    takes random numbers from ``view.generator()`` or ``draw``.
    """

    def __init__(self, info: DataInfo) -> None:
        pass

    def start(self, view: TrainingView) -> None:
        """Prepare the training; a resumed training calls it too, before ``load_state_dict``."""

    def transform(self, inputs: Inputs, view: TrainingView, draw: Callable[[int], Tensor]) -> Inputs:
        """Return the inputs that a training step uses in place of ``inputs``, which are on the CPU.

        Args:
            inputs: those of one part of the batch.
            view: the training; its ``inputs`` are empty.
            draw: ``draw(columns)`` returns ``[N, columns]`` random numbers from 0 to 1, in which each utterance has
                the same row however the batch is divided among processes and parts.
        """
        return inputs

    def after_backward(self, view: TrainingView, backward: Callable[[], None]) -> None:
        """Act on the gradients of the batch.

        Args:
            view: the training.
            backward: adds the gradients of the same batch to those that are there, with the same random numbers, at
                the present weights and inputs (call ``view.optimizer.zero_grad()`` before it to replace them). Buffers
                such as running means keep their values.
        """

    def before_step(self, view: TrainingView) -> None:
        """Change the gradients, after every ``after_backward`` and before they are clipped."""

    def after_step(self, view: TrainingView) -> None:
        """Act after the optimiser's step."""

    def before_scoring(self, view: TrainingView) -> None:
        """Act before the watched splits are scored, for example exchange the weights."""

    def after_scoring(self, view: TrainingView) -> None:
        """Undo ``before_scoring``; by then the best weights are kept as they were scored."""

    def after_epoch(self, view: TrainingView) -> bool:
        """Return whether the training ends here; the last entry of ``view.history`` is that of this epoch."""
        return False

    def state_dict(self) -> dict[str, Any]:
        """Return what later steps depend on: nested dicts and lists of tensors and plain values."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the state that ``state_dict`` returned; its tensors are on the CPU."""
