"""The checks of every optimiser, schedule and sampler.

Each takes a ``TrainingSubject`` and raises ``CheckFailed`` if the part breaks the promise.
"""

import copy
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LRScheduler

from ercfw.contract.optional_parts import SupportsObserve
from ercfw.contract.training_parts import Sampler
from ercfw.registry import catalog
from ercfw.registry.options import options_model
from ercfw.registry.torch_parts import COMPUTED
from ercfw.testing.documented import check_documented
from ercfw.testing.fixtures import DIMS, data_info, make_conversations
from ercfw.testing.outcome import CheckFailed

STEPS = 20
LR = 0.01
SIZES = (5, 9, 1, 3, 2, 7, 4, 6, 8, 2, 3, 5)
"""Numbers of utterances of the conversations that a sampler orders."""
EPOCHS = 20


@dataclass(frozen=True)
class TrainingSubject:
    """The class of a part of a training, and how to make one.

    Attributes:
        kind: ``optimizer``, ``schedule`` or ``sampler``.
        factory: the class.
        options: keyword arguments of its constructor.
    """

    kind: str
    factory: Any
    options: Mapping[str, Any] = field(default_factory=dict)

    def make(self) -> Any:
        """Make the part, of a single parameter or of made-up conversations."""
        if self.kind == "sampler":
            return self.sampler()
        if self.kind == "optimizer":
            return self.optimizer([_weight()])
        return self.schedule(torch.optim.SGD([_weight()], lr=LR))

    def optimizer(self, parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
        """Make the optimiser of these parameters."""
        made: torch.optim.Optimizer = self.factory(list(parameters), lr=LR, **self.options)
        return made

    def schedule(self, optimizer: torch.optim.Optimizer) -> LRScheduler:
        """Make the schedule of an optimiser; numbers of steps that the core computes are ``STEPS``."""
        names = options_model(self.factory).model_fields
        computed = {name: STEPS for name in COMPUTED if name in names and name not in self.options}
        made: LRScheduler = self.factory(optimizer, **computed, **self.options)
        return made

    def sampler(self) -> Sampler:
        """Make the sampler of made-up conversations."""
        conversations = make_conversations(dict.fromkeys(DIMS, "vector"), sizes=SIZES)
        made: Sampler = catalog.construct(
            "sampler", self.factory, (conversations, data_info(conversations)), self.options
        )
        return made


def options_are_documented(subject: TrainingSubject) -> None:
    """Check that each option has a type that a recipe can hold, and is named in the docstring of the class."""
    check_documented(subject.factory)


def check_storable(state: Any, name: str = "state_dict") -> None:
    """Check that a checkpoint can hold a state: nested dicts, lists and tuples of tensors and plain values.

    Raises:
        CheckFailed: it cannot.
    """
    if isinstance(state, Mapping):
        for key, value in state.items():
            check_storable(value, f"{name}[{key!r}]")
    elif isinstance(state, list | tuple):
        for number, value in enumerate(state):
            check_storable(value, f"{name}[{number}]")
    elif not isinstance(state, Tensor | bool | int | float | str | None):
        raise CheckFailed(f"{name} is of type {type(state).__name__}, which a checkpoint cannot hold")


# Optimisers


def lowers_a_quadratic(subject: TrainingSubject) -> None:
    """Check that ``STEPS`` steps lower a quadratic function of a matrix, and stay finite."""
    weight, optimizer = _quadratic(subject)
    before = float(_loss(weight).detach())
    for _ in range(STEPS):
        _descend(weight, optimizer)
    after = float(_loss(weight).detach())
    if not after < before:
        raise CheckFailed(
            f"{STEPS} steps at a learning rate of {LR} change a quadratic from {before:.4g} to {after:.4g}"
        )


def leaves_what_has_no_gradient(subject: TrainingSubject) -> None:
    """Check that a parameter without a gradient, such as one that ``freeze`` freezes, does not change."""
    weight, frozen = _weight(), _weight()
    before = frozen.detach().clone()
    optimizer = subject.optimizer([weight, frozen])
    for _ in range(3):
        _descend(weight, optimizer)
    if not torch.equal(frozen, before):
        raise CheckFailed("a parameter whose gradient is None changes; skip it in step")


def resumes(subject: TrainingSubject) -> None:
    """Check that an optimiser with the state of another one continues with the same bits."""
    weight, optimizer = _quadratic(subject)
    for _ in range(3):
        _descend(weight, optimizer)
    state, halfway = copy.deepcopy(optimizer.state_dict()), weight.detach().clone()
    check_storable(state)
    again, second = _quadratic(subject)
    with torch.no_grad():
        again.copy_(halfway)
    second.load_state_dict(_as_read(state))
    for _ in range(3):
        _descend(weight, optimizer)
        _descend(again, second)
    if not torch.equal(weight, again):
        raise CheckFailed("after load_state_dict it steps differently; keep everything in self.state and param_groups")


def _weight() -> nn.Parameter:
    return nn.Parameter(torch.randn(3, 4, generator=torch.Generator().manual_seed(0)))


def _quadratic(subject: TrainingSubject) -> tuple[nn.Parameter, torch.optim.Optimizer]:
    weight = _weight()
    return weight, subject.optimizer([weight])


def _loss(weight: Tensor) -> Tensor:
    return (weight.square() * torch.arange(1, 5)).sum()


def _descend(weight: nn.Parameter, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    torch.autograd.backward(_loss(weight))
    optimizer.step()


def _as_read(state: Any) -> Any:
    """Return a state as a checkpoint gives it back: tuples are lists, and other mappings are dicts."""
    if isinstance(state, Mapping):
        return {key: _as_read(value) for key, value in state.items()}
    return [_as_read(value) for value in state] if isinstance(state, list | tuple) else state


OPTIMIZER_CHECKS = (options_are_documented, lowers_a_quadratic, leaves_what_has_no_gradient, resumes)


# Schedules


def rates_are_numbers(subject: TrainingSubject) -> None:
    """Check that every learning rate of ``STEPS`` steps is finite and not below 0."""
    for step, rate in enumerate(_rates(*_scheduled(subject), STEPS)):
        if not (np.isfinite(rate) and rate >= 0):
            raise CheckFailed(f"the learning rate of step {step + 1} is {rate}")


def schedule_resumes(subject: TrainingSubject) -> None:
    """Check that a schedule with the state of another one continues with the same learning rates."""
    optimizer, schedule = _scheduled(subject)
    _rates(optimizer, schedule, STEPS // 2)
    states = copy.deepcopy((optimizer.state_dict(), schedule.state_dict()))
    check_storable(states[1])
    again, second = _scheduled(subject)
    again.load_state_dict(_as_read(states[0]))
    second.load_state_dict(_as_read(states[1]))
    if _rates(optimizer, schedule, STEPS // 2) != _rates(again, second, STEPS // 2):
        raise CheckFailed("after load_state_dict the learning rates differ; keep what they depend on in attributes")


def _scheduled(subject: TrainingSubject) -> tuple[torch.optim.Optimizer, LRScheduler]:
    optimizer = torch.optim.SGD([_weight()], lr=LR, momentum=0.9)
    return optimizer, subject.schedule(optimizer)


def _rates(optimizer: torch.optim.Optimizer, schedule: LRScheduler, steps: int) -> list[float]:
    """Return the learning rate of each step; a schedule that reads a loss gets one that never changes."""
    loss = [1.0] if _reads_loss(schedule) else []
    rates = []
    for _ in range(steps):
        rates.append(float(optimizer.param_groups[0]["lr"]))
        optimizer.step()
        schedule.step(*loss)  # type: ignore[arg-type]
    return rates


def _reads_loss(schedule: LRScheduler) -> bool:
    code = type(schedule).step.__code__
    return code.co_argcount - 1 > len(type(schedule).step.__defaults__ or ())


SCHEDULE_CHECKS = (options_are_documented, rates_are_numbers, schedule_resumes)


# Samplers


def numbers_are_valid(subject: TrainingSubject) -> None:
    """Check that each epoch has at least one conversation, only numbers that exist, and as many as ``size`` says."""
    sampler = subject.sampler()
    for number in range(1, 4):
        order, size = _epoch(sampler, number), sampler.size(number)
        if wrong := [each for each in order if not 0 <= each < len(SIZES)]:
            raise CheckFailed(
                f"epoch {number} has conversation {wrong[0]}, but there are {len(SIZES)}, numbered from 0"
            )
        if not order:
            raise CheckFailed(f"epoch {number} has no conversation")
        if len(order) != size:
            raise CheckFailed(f"epoch {number} has {len(order)} conversations, but size({number}) is {size}")


def every_conversation_occurs(subject: TrainingSubject) -> None:
    """Check that no conversation is left out of all of ``EPOCHS`` epochs."""
    sampler = subject.sampler()
    seen = {each for number in range(1, EPOCHS + 1) for each in _epoch(sampler, number)}
    if missing := sorted(set(range(len(SIZES))) - seen):
        raise CheckFailed(f"conversations {missing} are in none of {EPOCHS} epochs")


def deterministic(subject: TrainingSubject) -> None:
    """Check that the order depends on nothing but the conversations, the generator, and the losses observed."""
    random.seed(1)
    np.random.seed(1)
    torch.manual_seed(1)
    first, second = subject.sampler(), subject.sampler()
    orders = [_epoch(first, number) for number in range(1, 4)]
    if orders != [_epoch(second, number) for number in range(1, 4)]:
        raise CheckFailed("two samplers with the same generators return different orders; use the generator only")


def sampler_resumes(subject: TrainingSubject) -> None:
    """Check that a sampler with the state of another one continues with the same orders."""
    first, second = subject.sampler(), subject.sampler()
    for number in (1, 2):
        _epoch(first, number)
    state = first.state_dict()
    check_storable(state)
    second.load_state_dict(_as_read(copy.deepcopy(state)))
    if [_epoch(first, number) for number in (3, 4)] != [_epoch(second, number) for number in (3, 4)]:
        raise CheckFailed("after load_state_dict the orders differ; keep what they depend on in state_dict")


def _epoch(sampler: Sampler, number: int) -> list[int]:
    """Return the order of an epoch, and let the sampler observe losses that grow with the number of a conversation."""
    order = [int(each) for each in sampler.epoch(number, np.random.default_rng([0, number]))]
    if isinstance(sampler, SupportsObserve):
        for start in range(0, len(order), 4):
            numbers = order[start : start + 4]
            sampler.observe(numbers, [float((7 * each) % 5) for each in numbers])
    return order


SAMPLER_CHECKS = (options_are_documented, numbers_are_valid, every_conversation_occurs, deterministic, sampler_resumes)
