"""Hooks that provide the parts of a training. The rules of ``ercfw/contract/part_hooks.py`` hold for them too."""

from typing import TYPE_CHECKING

from ercfw.contract.part_hooks import hookspec

if TYPE_CHECKING:
    from torch.optim import Optimizer
    from torch.optim.lr_scheduler import LRScheduler

    from ercfw.contract.training_parts import Callback, Sampler


@hookspec
def provide_optimizers() -> "dict[str, type[Optimizer]]":  # type: ignore[empty-body]
    """Return the optimisers of a plugin: subclasses of ``torch.optim.Optimizer`` (``[train.optimizer] use``).

    Called without arguments, in every process that loads plugins. An exception makes the plugin broken.

    The constructor takes ``params`` and ``lr``, and ``weight_decay`` and ``momentum`` if the optimiser has them; the
    core passes these. All other parameters are options of ``[train.optimizer]``.

    ```python
    import torch
    from ercfw import hookimpl

    class SignSGD(torch.optim.Optimizer):
        '''Steps by the sign of the gradient (Bernstein et al., ICML 2018).

        Options:
            smallest: gradients up to this size count as 0.
        '''

        def __init__(self, params, lr: float = 1e-3, *, smallest: float = 0.0):
            super().__init__(params, {"lr": lr, "smallest": smallest})

        @torch.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in (p for p in group["params"] if p.grad is not None):
                    p.sub_(group["lr"] * p.grad.sign() * (p.grad.abs() > group["smallest"]))

    @hookimpl
    def provide_optimizers():
        return {"sign-sgd": SignSGD}
    ```
    """


@hookspec
def provide_schedules() -> "dict[str, type[LRScheduler]]":  # type: ignore[empty-body]
    """Return the schedules of a plugin: subclasses of ``torch.optim.lr_scheduler.LRScheduler`` (``[train.schedule]``).

    Called without arguments, in every process that loads plugins. An exception makes the plugin broken.

    The core passes ``optimizer``. All other parameters are options of ``[train.schedule]``, except ``last_epoch``. If
    the recipe leaves ``total_steps`` or ``T_max`` out, the core passes the number of steps of the training. A class
    with ``each = "step"`` is stepped after each step of the optimiser, any other after each epoch. If ``step`` takes
    a metric, it gets the loss of the split that the plateau schedule reads.

    ```python
    from torch.optim.lr_scheduler import LRScheduler
    from ercfw import hookimpl

    class InverseRoot(LRScheduler):
        '''The learning rate divided by the square root of the number of steps.

        Options:
            hold: number of steps with the whole learning rate.
        '''

        each = "step"

        def __init__(self, optimizer, *, hold: int = 100):
            self.hold = hold
            super().__init__(optimizer)

        def get_lr(self):
            return [base * (self.hold / max(self.last_epoch, self.hold)) ** 0.5 for base in self.base_lrs]

    @hookimpl
    def provide_schedules():
        return {"inverse-root": InverseRoot}
    ```
    """


@hookspec
def provide_samplers() -> "dict[str, type[Sampler]]":  # type: ignore[empty-body]
    """Return the samplers of a plugin: they choose and order the conversations of an epoch (``[train.sampler] use``).

    Called without arguments, in every process that loads plugins. An exception makes the plugin broken.

    ```python
    from ercfw import Sampler, hookimpl

    class ShortFirst(Sampler):
        '''Short conversations first; conversations of equal length in random order.'''

        def epoch(self, number, generator):
            order = generator.permutation(len(self.conversations))
            return sorted(order.tolist(), key=lambda n: len(self.conversations[n]))

    @hookimpl
    def provide_samplers():
        return {"short-first": ShortFirst}
    ```
    """


@hookspec
def provide_callbacks() -> "dict[str, type[Callback]]":  # type: ignore[empty-body]
    """Return the callbacks of a plugin: they act at certain moments of a training (``[callback.NAME]``).

    Called without arguments, in every process that loads plugins. An exception makes the plugin broken.

    ```python
    from ercfw import Callback, hookimpl

    class Centralize(Callback):
        '''Gradients of matrices with a mean of 0 per row (Yong et al., ECCV 2020).'''

        def before_step(self, view):
            for p in view.parameters():
                if p.grad is not None and p.ndim > 1:
                    p.grad -= p.grad.mean(tuple(range(1, p.ndim)), keepdim=True)

    @hookimpl
    def provide_callbacks():
        return {"centralize": Centralize}
    ```
    """
