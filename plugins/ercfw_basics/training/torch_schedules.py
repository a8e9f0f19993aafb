"""The schedules of ``torch.optim.lr_scheduler``, by the names of their classes in small letters."""

from torch.optim import lr_scheduler
from torch.optim.lr_scheduler import LRScheduler

LEFT_OUT = ("LRScheduler", "LambdaLR", "MultiplicativeLR", "ChainedScheduler", "SequentialLR")
"""These need functions or other schedulers, which a recipe cannot hold."""


class OneCycleLR(lr_scheduler.OneCycleLR):
    """Raises the learning rate to ``max_lr`` and lowers it again (Smith and Topin, 2019), step by step.

    The rates follow ``max_lr``, not ``train.lr``; all parameter groups get the same rates, or a list has one per group.

    Options:
        max_lr: the highest learning rate.
        total_steps: number of steps of the cycle; by default those of the training.
        pct_start: share of the steps in which the rate rises.
        anneal_strategy: the form of the curve: ``cos`` or ``linear``.
        cycle_momentum: whether the momentum falls while the rate rises; needs an optimiser with a momentum or betas.
        base_momentum: the lowest momentum of the cycle.
        max_momentum: the highest momentum of the cycle.
        div_factor: ``max_lr`` divided by the first rate.
        final_div_factor: the first rate divided by the last one.
        three_phase: whether the end falls from the first rate to the last one in a phase of its own.
    """

    each = "step"


class CyclicLR(lr_scheduler.CyclicLR):
    """Lets the learning rate swing between two values (Smith, 2017), step by step.

    The rates follow ``base_lr`` and ``max_lr``, not ``train.lr``.

    Options:
        base_lr: the lowest learning rate.
        max_lr: the highest learning rate of the first cycle.
        step_size_up: number of steps in which the rate rises.
        step_size_down: number of steps in which it falls; by default as many.
        mode: the form of the cycles.
        gamma: the base of the decay under ``exp_range``.
        scale_mode: what a decay counts: cycles or steps.
        cycle_momentum: whether the momentum falls while the rate rises; needs an optimiser with a momentum or betas.
        base_momentum: the lowest momentum of the cycle.
        max_momentum: the highest momentum of the cycle.
    """

    each = "step"


def torch_schedules() -> dict[str, type[LRScheduler]]:
    """Return every schedule of the installed torch that a recipe can describe."""
    found = {name: value for name, value in vars(lr_scheduler).items() if isinstance(value, type)}
    own: dict[str, type[LRScheduler]] = {"onecyclelr": OneCycleLR, "cycliclr": CyclicLR}
    theirs = {
        name.lower(): value
        for name, value in sorted(found.items())
        if issubclass(value, LRScheduler) and name not in LEFT_OUT and not name.startswith("_")
    }
    return {**theirs, **own}
