"""The checks of every callback, in a training of a few steps on made-up conversations.

Each takes a ``CallbackSubject``, raises ``CheckFailed`` if the callback breaks the promise, and ``CheckSkipped`` if the
promise does not apply to it.
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from ercfw.contract.batch import Inputs, map_tensors
from ercfw.contract.epoch import Epoch
from ercfw.contract.training_parts import Callback, TrainingView
from ercfw.registry import catalog
from ercfw.testing.documented import check_documented
from ercfw.testing.fixtures import DIMS, TARGET, data_info, make_conversations, pack
from ercfw.testing.outcome import CheckFailed, CheckSkipped
from ercfw.testing.training_checks import check_storable

STEPS, EPOCHS = 3, 3
SCORES = ("accuracy", "weighted-f1")


@dataclass(frozen=True)
class CallbackSubject:
    """The class of a callback, and how to make one.

    Attributes:
        factory: the class.
        options: keyword arguments of its constructor.
    """

    factory: Any
    options: Mapping[str, Any] = field(default_factory=dict)

    def make(self) -> Callback:
        """Make the callback."""
        info = data_info(make_conversations(dict.fromkeys(DIMS, "vector")))
        made: Callback = catalog.construct("callback", self.factory, (info,), self.options)
        return made


class SmallTraining:
    """A training of a small network with one callback, without processes, parts and files."""

    def __init__(self, subject: CallbackSubject) -> None:
        torch.manual_seed(0)
        self.model = nn.ModuleDict({name: nn.Linear(dim, 3) for name, dim in DIMS.items()})
        self.losses = nn.ModuleDict({"made-up": nn.Linear(3, 1)})
        modules = nn.ModuleList([self.model, self.losses])
        self.optimizer = torch.optim.SGD(modules.parameters(), lr=0.1, momentum=0.9)
        self.inputs = pack(make_conversations(dict.fromkeys(DIMS, "vector"))).inputs
        self.history: list[Epoch] = []
        self.callback = subject.make()
        self.callback.start(self.view(0, 0))

    def view(self, epoch: int, step: int, *inputs: Inputs) -> TrainingView:
        """Return what the callback sees."""
        parts = {f"encoder.{name}": part for name, part in self.model.items()}
        return TrainingView(
            model=self.model,
            losses=self.losses,
            parts={**parts, "loss.made-up": self.losses["made-up"]},
            optimizer=self.optimizer,
            inputs=inputs,
            epoch=epoch,
            step=step,
            steps=STEPS * max(epoch - 1, 0) + step,
            epochs=EPOCHS,
            history=tuple(self.history),
            scores=[f"{TARGET}.{name}" for name in SCORES],
            gradient_scale=1.0,
            seed=0,
            name="checked",
        )

    def transformed(self, view: TrainingView) -> Inputs:
        """Return the inputs of a step as the callback changes them."""
        generator = view.generator()
        rows = len(self.inputs.speakers)
        return self.callback.transform(
            self.inputs, view, lambda columns: torch.rand(rows, columns, generator=generator)
        )

    def step(self, epoch: int, step: int) -> None:
        """Run one step of the optimiser."""
        self.optimizer.zero_grad()
        inputs = self.transformed(self.view(epoch, step))

        def backward() -> None:
            torch.autograd.backward(self._loss(inputs))

        backward()
        view = self.view(epoch, step, inputs)
        self.callback.after_backward(view, backward)
        self.callback.before_step(view)
        self.optimizer.step()
        self.callback.after_step(view)

    def _loss(self, inputs: Inputs) -> Tensor:
        x = sum((part(inputs.streams[name].values) for name, part in self.model.items()), torch.zeros(()))  # [N, 3]
        loss: Tensor = self.losses["made-up"](x.tanh()).square().mean() + (x - 1).square().mean()
        return loss

    def score(self, epoch: int) -> bool:
        """Score an epoch, with a score that falls; return whether the callback ends the training."""
        view = self.view(epoch, STEPS)
        self.callback.before_scoring(view)
        self.callback.after_scoring(view)
        score = 1 / epoch
        self.history.append(
            Epoch(epoch=epoch, lr=0.1, train_loss={"made-up": 1.0}, watched_loss={"made-up": 1.0},
                  watched={TARGET: dict.fromkeys(SCORES, score)}, selected=score, seconds=0.0)
        )  # fmt: skip
        return bool(self.callback.after_epoch(self.view(epoch, STEPS)))

    def weights(self) -> Tensor:
        """Return all weights, flat."""
        return torch.cat([p.detach().flatten() for p in self.view(0, 0).parameters()])

    def run(self, begin: int = 0, end: int = STEPS * EPOCHS) -> tuple[Tensor, bool]:
        """Run these steps; return the weights, and whether the callback ended the training in the last epoch scored."""
        ended = False
        for number in range(begin, end):
            epoch, step = 1 + number // STEPS, 1 + number % STEPS
            self.step(epoch, step)
            ended = self.score(epoch) if step == STEPS else ended
        return self.weights(), ended


def options_are_documented(subject: CallbackSubject) -> None:
    """Check that each option has a type that a recipe can hold, and is named in the docstring of the class."""
    check_documented(subject.factory)


def deterministic(subject: CallbackSubject) -> None:
    """Check that two trainings with the callback are equal, whatever the state of torch's generator."""
    first = SmallTraining(subject).run()
    second = SmallTraining(subject)
    torch.manual_seed(99)
    if not _same(first, second.run()):
        raise CheckFailed("two equal trainings end differently; draw from view.generator() only")


def scoring_leaves_the_weights(subject: CallbackSubject) -> None:
    """Check that the weights after the scoring are those before it, to the bit."""
    training = SmallTraining(subject)
    training.run(end=STEPS - 1)
    training.step(1, STEPS)
    before = training.weights()
    training.score(1)
    if not torch.equal(training.weights(), before):
        raise CheckFailed("after_scoring does not give the weights back that before_scoring replaced")


def leaves_its_inputs(subject: CallbackSubject) -> None:
    """Check that ``transform`` returns inputs of the same form, and does not change those that it is given.

    Raises:
        CheckSkipped: the callback has no ``transform``.
    """
    if getattr(subject.factory, "transform", None) is Callback.transform:
        raise CheckSkipped("it does not change the inputs")
    training = SmallTraining(subject)
    before = map_tensors(training.inputs, lambda x: x.clone())
    made = training.transformed(training.view(1, 1))
    for name, stream in before.streams.items():
        own, given = training.inputs.streams[name], made.streams[name]
        if not (torch.equal(own.values, stream.values) and torch.equal(own.present, stream.present)):
            raise CheckFailed(f"transform changes the values of '{name}' in place; return copies")
        if given.values.shape != stream.values.shape or given.values.dtype != stream.values.dtype:
            raise CheckFailed(f"transform returns '{name}' in another shape or type")


def resumes(subject: CallbackSubject) -> None:
    """Check that a training that is resumed in the middle of an epoch goes on with the same bits."""
    whole = SmallTraining(subject).run()
    stopped = SmallTraining(subject)
    stopped.run(end=STEPS + 1)
    state = copy.deepcopy(stopped.callback.state_dict())
    check_storable(state)
    resumed = SmallTraining(subject)
    resumed.model.load_state_dict(stopped.model.state_dict())
    resumed.losses.load_state_dict(stopped.losses.state_dict())
    resumed.optimizer.load_state_dict(copy.deepcopy(stopped.optimizer.state_dict()))
    resumed.history = list(stopped.history)
    resumed.callback.load_state_dict(state)
    if not _same(whole, resumed.run(begin=STEPS + 1)):
        raise CheckFailed("a resumed training ends differently; keep what later steps depend on in state_dict")


def _same(one: tuple[Tensor, bool], other: tuple[Tensor, bool]) -> bool:
    return torch.equal(one[0], other[0]) and one[1] == other[1]


CALLBACK_CHECKS = (options_are_documented, deterministic, scoring_leaves_the_weights, leaves_its_inputs, resumes)
