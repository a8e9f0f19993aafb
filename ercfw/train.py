"""One training loop, on Accelerate; it watches only the splits it is handed."""

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ercfw.build import WeightedLosses
from ercfw.checkpoint import load_state, save_state, seed_everything, to_host
from ercfw.conversations import UNLABELLED, Conversation
from ercfw.distributed import Share, gather_outputs, take_share
from ercfw.errors import ErcfwError, InputError, RunError, cause_of
from ercfw.evaluate import batches, predict, score, selected
from ercfw.info import DataInfo
from ercfw.interfaces import Metric
from ercfw.optimise import Schedule, make_optimizer, make_schedule
from ercfw.recipe import Train

Epoch = dict[str, Any]


@contextmanager
def at(where: str) -> Iterator[None]:
    """Names the place where a run failed, in a part's own code too.

    Raises:
        RunError: instead of what was raised, but for a lack of memory.
    """
    try:
        yield
    except RunError as error:
        raise RunError(f"{where}: {error}") from error
    except (ErcfwError, MemoryError, torch.OutOfMemoryError):
        raise
    except Exception as error:
        raise RunError(f"{where}: {cause_of(error)}") from error


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
        batch_size: conversations of a batch.
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


@dataclass
class Training:
    """A training in progress: what one epoch hands to the next.

    Attributes:
        model: as Accelerate prepared it.
        best: the weights of the best epoch so far.
        history: a line an epoch.
    """

    accelerator: Accelerator
    model: nn.Module
    losses: WeightedLosses
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    best: dict[str, Tensor] = field(default_factory=dict)
    best_epoch: int = 0
    history: list[Epoch] = field(default_factory=list)


def start(accelerator: Accelerator, model: nn.Module, losses: WeightedLosses, plan: Plan) -> Training:
    """A training at its beginning."""
    settings = plan.settings
    losses.to(accelerator.device)
    optimizer = make_optimizer(settings, nn.ModuleList([model, losses]))
    steps = math.ceil(math.ceil(len(plan.watched.train) / plan.batch_size) / settings.accumulate)
    schedule = make_schedule(settings, optimizer, steps)
    prepared, optimizer = accelerator.prepare(model, optimizer)
    return Training(accelerator, prepared, losses, optimizer, schedule)


def fit(training: Training, plan: Plan, told: Callable[[Epoch], None], advanced: Callable[[], None]) -> Training:
    """Train from where ``training`` stands to the last epoch; its state is saved after each.

    Args:
        training: as ``start`` or ``resume`` left it.
        plan: what is trained on, and how.
        told: handed each epoch's line of the history.
        advanced: called after every batch.

    Raises:
        RunError: a loss, or the metric that chooses the epoch, is not a number.
    """
    while len(training.history) < plan.settings.epochs and not _given_up(training, plan.settings):
        began = time.perf_counter()
        epoch = len(training.history) + 1
        line: Epoch = {"epoch": epoch, "lr": training.optimizer.param_groups[-1]["lr"]}
        line["train_loss"] = _train_epoch(training, plan, epoch, advanced)
        with at(f"epoch {epoch}, scoring"):
            line |= _watch(training, plan)
        if not math.isfinite(line["selected"]):
            raise RunError(f"epoch {epoch}: {plan.select}, which chooses the epoch, is {line['selected']}")
        line["seconds"] = round(time.perf_counter() - began, 3)
        _keep_best(training, line, plan.watched.later_wins)
        training.history.append(line)
        if training.accelerator.is_main_process:
            save_state(plan.state, _state(training))
        training.accelerator.wait_for_everyone()
        told(line)
    return training


def _watch(training: Training, plan: Plan) -> Epoch:
    """The scores of the split that chooses, and one step of the plateau schedule."""
    watched = plan.watched
    chosen = predict(training.accelerator, training.model, training.losses, watched.select, plan.batch_size)
    scheduled = chosen
    if watched.schedule is not watched.select:
        scheduled = predict(training.accelerator, training.model, training.losses, watched.schedule, plan.batch_size)
    training.schedule.epoch(sum(scheduled.losses.values()))
    scores = score(chosen, plan.metrics, plan.info)
    return {"watched_loss": dict(chosen.losses), "watched": scores, "selected": selected(scores, plan.select)}


def _given_up(training: Training, settings: Train) -> bool:
    waited = len(training.history) - training.best_epoch
    return settings.patience is not None and waited >= settings.patience


def _keep_best(training: Training, line: Epoch, later_wins: bool) -> None:
    best = training.history[training.best_epoch - 1]["selected"] if training.best_epoch else float("-inf")
    if line["selected"] > best or (later_wins and line["selected"] == best):
        training.best_epoch = line["epoch"]
        training.best = to_host(training.accelerator.unwrap_model(training.model).state_dict())


def _train_epoch(training: Training, plan: Plan, epoch: int, advanced: Callable[[], None]) -> dict[str, float]:
    """One pass in a new order; the mean of each weighted loss over its batches."""
    accelerator, accumulate = training.accelerator, plan.settings.accumulate
    order = np.random.default_rng([plan.seed, epoch]).permutation(len(plan.watched.train))
    seed_everything(plan.seed, epoch, accelerator.process_index)
    parts = list(batches([plan.watched.train[number] for number in order], plan.batch_size))
    totals: dict[str, float] = dict.fromkeys(training.losses.weights, 0.0)
    for first in range(0, len(parts), accumulate):
        group = parts[first : first + accumulate]
        shares = [take_share(part, accelerator.process_index, accelerator.num_processes) for part in group]
        for number, (share, scales) in enumerate(zip(shares, _scales(training.losses, shares), strict=True), 1):
            with at(f"epoch {epoch}, batch {first + number}"):
                for name, value in _backward(training, share, scales).items():
                    totals[name] += value / len(parts)
            advanced()
        if plan.settings.clip is not None:
            parameters = [*training.model.parameters(), *training.losses.parameters()]
            accelerator.clip_grad_norm_(parameters, plan.settings.clip)
        training.optimizer.step()
        training.optimizer.zero_grad()
        training.schedule.step()
    return totals


def _scales(losses: WeightedLosses, shares: Sequence[Share]) -> list[dict[str, float]]:
    """What each loss of each accumulated batch counts for: its part of the labelled rows of the whole."""
    rows = [{target: int((y != UNLABELLED).sum()) for target, y in s.whole.targets.items()} for s in shares]
    total = {target: sum(counts[target] for counts in rows) for target in rows[0]}
    targets = {name: str(loss.target) for name, loss in losses.losses.items()}
    return [{name: counts[t] / total[t] if total[t] else 1.0 for name, t in targets.items()} for counts in rows]


def _backward(training: Training, share: Share, scales: Mapping[str, float]) -> dict[str, float]:
    """Add a batch's gradients; its losses are read in one go, the only wait for the device."""
    accelerator = training.accelerator
    outputs = training.model(share.own.to(accelerator.device, non_blocking=True).inputs)
    outputs = gather_outputs(outputs, share, accelerator.process_index)
    targets = {name: labels.to(accelerator.device) for name, labels in share.whole.targets.items()}
    parts = training.losses(outputs, targets)
    accelerator.backward(torch.stack([scales[name] * value for name, value in parts.items()]).sum())
    values = dict(zip(parts, torch.stack(list(parts.values())).detach().tolist(), strict=True))
    for name, value in values.items():
        if not np.isfinite(value):
            raise RunError(f"loss '{name}' is {value}; try a lower train.lr, or train.clip")
    return values


def _state(training: Training) -> dict[str, Any]:
    scaler = training.accelerator.scaler
    return {
        "scaler": scaler.state_dict() if scaler is not None else {},
        "model": training.accelerator.unwrap_model(training.model).state_dict(),
        "losses": training.losses.state_dict(),
        "optimizer": training.optimizer.state_dict(),
        "schedule": training.schedule.state_dict(),
        "best": training.best,
        "best_epoch": training.best_epoch,
        "history": training.history,
    }


def resume(training: Training, state: Path) -> None:
    """Put a training where a saved state stood.

    Raises:
        InputError: the state is damaged, or of another model.
    """
    saved = load_state(state)
    try:
        training.accelerator.unwrap_model(training.model).load_state_dict(saved["model"])
        training.losses.load_state_dict(saved["losses"])
        training.optimizer.load_state_dict(saved["optimizer"])
        training.schedule.load_state_dict(saved["schedule"])
        if training.accelerator.scaler is not None:
            training.accelerator.scaler.load_state_dict(saved["scaler"])
    except (KeyError, RuntimeError, ValueError) as error:
        raise InputError.at(state, f"does not fit this recipe: {error}", "--force starts anew") from error
    training.best, training.best_epoch = saved["best"], saved["best_epoch"]
    training.history = saved["history"]
