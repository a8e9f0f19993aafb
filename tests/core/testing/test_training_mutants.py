"""Every check of optimisers, schedules, samplers and callbacks catches one that breaks its promise."""

import numpy as np
import pytest
import torch
from torch.optim.lr_scheduler import LRScheduler

from ercfw import Callback, Sampler
from ercfw.testing import CHECKS, check_part


class GoodOptimizer(torch.optim.Optimizer):
    """Descends, with a momentum.

    Options:
        keep: the share of the momentum that stays.
    """

    def __init__(self, params, lr: float, *, keep: float = 0.5):
        super().__init__(params, {"lr": lr, "keep": keep})

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self.change(group, p)

    def change(self, group, p):
        momentum = self.state[p].setdefault("momentum", torch.zeros_like(p))
        momentum.mul_(group["keep"]).add_(p.grad)
        p.sub_(group["lr"] * momentum)


class UndocumentedOptimizer(GoodOptimizer):
    """Nothing."""

    def __init__(self, params, lr: float, *, shy: float = 0.5):
        super().__init__(params, lr)


class Ascends(GoodOptimizer):
    def change(self, group, p):
        p.add_(group["lr"] * p.grad)


class Decays(GoodOptimizer):
    def step(self, closure=None):
        with torch.no_grad():
            for p in self.param_groups[0]["params"]:
                p.mul_(0.9)


class Forgets(GoodOptimizer):
    def __init__(self, params, lr: float, *, keep: float = 0.5):
        super().__init__(params, lr, keep=keep)
        self.momentum = 0

    def change(self, group, p):
        self.momentum = 0.5 * self.momentum + p.grad
        p.sub_(group["lr"] * self.momentum)


class HoldsAFunction(GoodOptimizer):
    def change(self, group, p):
        super().change(group, p)
        self.state[p]["function"] = print


class GoodSchedule(LRScheduler):
    """Halves the rate.

    Options:
        factor: by what the rate is multiplied.
    """

    def __init__(self, optimizer, *, factor: float = 0.5):
        self.factor = factor
        super().__init__(optimizer)

    def get_lr(self):
        return [base * self.factor**self.last_epoch for base in self.base_lrs]


class UndocumentedSchedule(GoodSchedule):
    """Nothing."""

    def __init__(self, optimizer, *, shy: float = 0.5):
        super().__init__(optimizer)


class BelowZero(GoodSchedule):
    def get_lr(self):
        return [base - 0.01 * self.last_epoch for base in self.base_lrs]


class ForgetsSteps(GoodSchedule):
    def get_lr(self):
        vars(self).setdefault("past", [0])
        self.past[0] += 1
        return [base / self.past[0] for base in self.base_lrs]

    def state_dict(self):
        return {key: value for key, value in super().state_dict().items() if key != "past"}


class GoodSampler(Sampler):
    """Shuffles.

    Options:
        times: how often.
    """

    def __init__(self, conversations, info, *, times: int = 1):
        super().__init__(conversations, info)
        self.seen = 0

    def epoch(self, number, generator):
        self.seen += 1
        return generator.permutation(len(self.conversations)).tolist()

    def state_dict(self):
        return {"seen": self.seen}

    def load_state_dict(self, state):
        self.seen = state["seen"]


class UndocumentedSampler(GoodSampler):
    """Nothing."""

    def __init__(self, conversations, info, *, shy: int = 1):
        super().__init__(conversations, info)


class TooMany(GoodSampler):
    def epoch(self, number, generator):
        return [0, 1, 99]


class Empty(GoodSampler):
    def epoch(self, number, generator):
        return []


class OtherSize(GoodSampler):
    def size(self, number):
        return 3


class LeavesOut(GoodSampler):
    def epoch(self, number, generator):
        return generator.permutation(len(self.conversations) - 1).tolist()

    def size(self, number):
        return len(self.conversations) - 1


class DrawsElsewhere(GoodSampler):
    def epoch(self, number, generator):
        return np.random.permutation(len(self.conversations)).tolist()


class ForgetsEpochs(GoodSampler):
    def epoch(self, number, generator):
        self.seen += 1
        return np.roll(np.arange(len(self.conversations)), self.seen).tolist()

    def load_state_dict(self, state):
        pass


class GoodCallback(Callback):
    """Counts steps, and shrinks the gradients.

    Options:
        share: what stays of a gradient.
    """

    def __init__(self, info, *, share: float = 0.9):
        self.share, self.count = share, 0

    def transform(self, inputs, view, draw):
        return inputs

    def before_step(self, view):
        self.count += 1
        for p in view.parameters():
            p.grad *= self.share ** (1 / self.count)

    def state_dict(self):
        return {"count": self.count}

    def load_state_dict(self, state):
        self.count = state["count"]


class UndocumentedCallback(GoodCallback):
    """Nothing."""

    def __init__(self, info, *, shy: float = 0.9):
        super().__init__(info)


class DrawsFromTorch(GoodCallback):
    def before_step(self, view):
        for p in view.parameters():
            p.grad += torch.randn_like(p)


class KeepsTheExchange(GoodCallback):
    def before_scoring(self, view):
        for p in view.parameters():
            p.data.mul_(0.5)


class ChangesInputs(GoodCallback):
    def transform(self, inputs, view, draw):
        inputs.streams["text"].values.mul_(0.5)
        return inputs


class CutsInputs(GoodCallback):
    def transform(self, inputs, view, draw):
        text = inputs.streams["text"]
        return type(inputs)(
            {**inputs.streams, "text": type(text)(text.values.double(), text.present)}, inputs.layout, inputs.speakers
        )


class ForgetsCount(GoodCallback):
    def state_dict(self):
        return {}

    def load_state_dict(self, state):
        pass


class KeepsAFunction(GoodCallback):
    def state_dict(self):
        return {"count": self.count, "function": print}


MUTANTS = {
    "optimizer": {
        "options are documented": [UndocumentedOptimizer],
        "lowers a quadratic": [Ascends],
        "leaves what has no gradient": [Decays],
        "resumes": [Forgets, HoldsAFunction],
    },
    "schedule": {
        "options are documented": [UndocumentedSchedule],
        "rates are numbers": [BelowZero],
        "schedule resumes": [ForgetsSteps],
    },
    "sampler": {
        "options are documented": [UndocumentedSampler],
        "numbers are valid": [TooMany, Empty, OtherSize],
        "every conversation occurs": [LeavesOut],
        "deterministic": [DrawsElsewhere],
        "sampler resumes": [ForgetsEpochs],
    },
    "callback": {
        "options are documented": [UndocumentedCallback],
        "deterministic": [DrawsFromTorch],
        "scoring leaves the weights": [KeepsTheExchange],
        "leaves its inputs": [ChangesInputs, CutsInputs],
        "resumes": [ForgetsCount, KeepsAFunction],
    },
}
GOOD = {"optimizer": GoodOptimizer, "schedule": GoodSchedule, "sampler": GoodSampler, "callback": GoodCallback}


@pytest.mark.parametrize("kind", GOOD)
def test_good_ones_pass_all(kind):
    report = check_part(kind, GOOD[kind])
    assert [outcome.status for outcome in report.outcomes] == ["passed"] * len(CHECKS[kind]), report


@pytest.mark.parametrize("kind", MUTANTS)
def test_every_check_has_a_mutant(kind):
    assert list(MUTANTS[kind]) == [check.__name__.replace("_", " ") for check in CHECKS[kind]]


@pytest.mark.parametrize(
    ("kind", "check", "mutant"),
    [(kind, check, mutant) for kind, checks in MUTANTS.items() for check, found in checks.items() for mutant in found],
)
def test_the_check_catches_it(kind, check, mutant):
    assert check in {outcome.check for outcome in check_part(kind, mutant).of("failed")}
