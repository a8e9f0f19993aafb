"""Call the callbacks of a training, and compute the gradients of a step with their help."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from ercfw.contract.batch import Batch, Outputs
from ercfw.contract.data_info import DataInfo
from ercfw.contract.metric import Metric, traits_of
from ercfw.contract.training_parts import Callback, TrainingView
from ercfw.errors import InputError, RunError, cause_of
from ercfw.results.scoring import serves
from ercfw.system.out_of_memory import is_out_of_memory
from ercfw.training.distributed import Share, is_of_another_process
from ercfw.training.gradients import backward
from ercfw.training.state import Plan, Training

Seen = Callable[[Outputs, Share], None] | None


def view_of(training: Training, plan: Plan, name: str, step: int) -> TrainingView:
    """Return what a callback sees.

    Args:
        training: the training.
        plan: its plan.
        name: the name of the callback's table.
        step: the number of the step in the current epoch; see ``TrainingView``.
    """
    epoch = training.underway.get("epoch", len(training.history))
    scaler = training.accelerator.scaler
    scores = watched_scores(plan.info, plan.metrics)
    return TrainingView(
        model=training.accelerator.unwrap_model(training.model),
        losses=training.losses,
        parts=training.parts,
        optimizer=getattr(training.optimizer, "optimizer", training.optimizer),  # without Accelerate's wrapper
        inputs=(),
        epoch=epoch,
        step=step,
        steps=sum(training.steps[: max(epoch - 1, 0)]) + step,
        epochs=plan.settings.epochs,
        history=tuple(training.history),
        scores=list(scores),
        gradient_scale=1.0 if scaler is None else float(scaler.get_scale()),
        seed=plan.seed,
        name=name,
        select=plan.select,
        lower_is_better=lower_is_better(scores),
    )


def watched_scores(info: DataInfo, metrics: Mapping[str, Metric]) -> dict[str, Metric]:
    """Return the metrics that serve the targets, by the names of their scores, such as ``emotion.accuracy``."""
    return {
        f"{target}.{name}": metric
        for target, spec in info.targets.items()
        for name, metric in metrics.items()
        if serves(metric, target, spec)
    }


def lower_is_better(scores: Mapping[str, Metric]) -> frozenset[str]:
    """Return the names of those scores for which lower is better."""
    return frozenset(name for name, metric in scores.items() if traits_of(metric).scale.lower_is_better)


def views(training: Training, plan: Plan, step: int) -> Iterator[tuple[Callback, TrainingView]]:
    """Yield each callback with what it sees, in the order of the recipe."""
    for name, callback in training.callbacks.items():
        yield callback, view_of(training, plan, name, step)


@contextmanager
def blame(name: str) -> Iterator[None]:
    """Name the callback whose code fails.

    Raises:
        InputError: the callback reports a mistake in the recipe.
        RunError: its code failed.
    """
    table = f"[callback.{name}]"
    try:
        yield
    except InputError as error:
        named = [m if m.where.startswith("[") else replace(m, where=f"{table} {m.where}") for m in error.mistakes]
        raise InputError(named) from error
    except Exception as error:
        if is_out_of_memory(error) or is_of_another_process(error) or isinstance(error, _OfTheBatch):
            raise
        cause = str(error) if isinstance(error, RunError) else cause_of(error)
        raise RunError(f"{table} callback '{name}' failed: {cause}") from error


def call(training: Training, plan: Plan, method: str, step: int) -> list[Any]:
    """Call a method of every callback that takes only the view, and return the results.

    Raises:
        InputError: a callback reports a mistake in the recipe.
        RunError: the code of a callback failed.
    """
    results = []
    for callback, view in views(training, plan, step):
        with blame(view.name):
            results.append(getattr(callback, method)(view))
    return results


def call_reversed(training: Training, plan: Plan, method: str, step: int) -> None:
    """Call a method of every callback, the last one first, so that each undoes its work before the ones before it.

    Raises:
        InputError: a callback reports a mistake in the recipe.
        RunError: the code of a callback failed.
    """
    for callback, view in reversed([*views(training, plan, step)]):
        with blame(view.name):
            getattr(callback, method)(view)


def batch_gradients(
    training: Training, plan: Plan, share: Share, entropy: tuple[int, int, int], seen: Seen = None
) -> Tensor:
    """Add the gradients of a batch to those of model and losses; return the weighted losses ``[L]``, detached.

    Args:
        training: the training.
        plan: its plan.
        share: the part of the batch that this process runs.
        entropy: seed, epoch and number of finished steps of the epoch.
        seen: called with the outputs of the whole batch.

    Raises:
        InputError: a callback reports a mistake in the recipe.
        RunError: the code of a callback failed.
    """
    step = entropy[-1] + 1
    share = _transformed(training, plan, share, entropy)
    gradients = partial(backward, training.accelerator, training.model, training.losses)
    if not any(
        type(callback).after_backward is not Callback.after_backward for callback in training.callbacks.values()
    ):
        return gradients(share, entropy, seen)
    modules = nn.ModuleList([training.accelerator.unwrap_model(training.model), training.losses])
    before = _buffers(modules)
    values = gradients(share, entropy, seen)
    after = _buffers(modules)

    def again() -> None:
        _restore(modules, before)
        try:
            gradients(share, entropy)
        except Exception as error:
            raise _OfTheBatch(error) from error
        finally:
            _restore(modules, after)

    inputs = tuple(part.inputs for part in share.parts)
    for callback, view in views(training, plan, step):
        with _as_it_was(), blame(view.name):
            callback.after_backward(replace(view, inputs=inputs), again)
    return values


class _OfTheBatch(Exception):  # noqa: N818
    """Carries an error of a repeated batch through the code of a callback, which did not cause it."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


def _overridden(training: Training, method: str) -> bool:
    own = getattr(Callback, method)
    return any(getattr(type(callback), method) is not own for callback in training.callbacks.values())


@contextmanager
def _as_it_was() -> Iterator[None]:
    """Raise the error of a repeated batch itself, as if no callback had asked for it."""
    try:
        yield
    except _OfTheBatch as carrier:
        raise carrier.error from None


def _buffers(modules: nn.Module) -> dict[str, Tensor]:
    return {name: buffer.clone() for name, buffer in modules.named_buffers()}


def _restore(modules: nn.Module, values: Mapping[str, Tensor]) -> None:
    for name, buffer in modules.named_buffers():
        buffer.data = values[name].clone()  # not copied into it, since the shape may have changed


def _transformed(training: Training, plan: Plan, share: Share, entropy: tuple[int, int, int]) -> Share:
    """Return the share with the inputs that the callbacks make of its own."""
    if not _overridden(training, "transform"):
        return share
    rows = {id: row for row, id in enumerate(share.whole.ids)}
    parts = list(share.parts)
    for callback, view in views(training, plan, entropy[-1] + 1):
        generator = view.generator()
        state = generator.get_state()
        for number, part in enumerate(parts):
            generator.set_state(state)
            with blame(view.name):
                inputs = callback.transform(part.inputs, view, _draw(generator, part, rows))
            parts[number] = replace(part, inputs=inputs)
    return replace(share, parts=tuple(parts))


def _draw(generator: torch.Generator, part: Batch, rows: Mapping[Any, int]) -> Callable[[int], Tensor]:
    """Return the ``draw`` of ``Callback.transform``: rows of numbers that are drawn for the whole batch."""
    own = torch.tensor([rows[id] for id in part.ids])  # [N]
    most = max(rows.values()) + 1

    def draw(columns: int) -> Tensor:
        return torch.rand(most, columns, generator=generator)[own]  # [N, columns]

    return draw
