"""One training loop, on Accelerate; it watches only the splits it is handed."""

import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torch import distributed as dist

from ercfw.contract.conversation import Conversation
from ercfw.contract.hooks import Epoch
from ercfw.data.collate import batches
from ercfw.errors import ErcfwError, PeerGoneError, RunError, cause_of
from ercfw.recipe.schema import Train
from ercfw.results.scoring import Predictions, score, selected
from ercfw.system.signals import Stopped, StopRequest, when_saved
from ercfw.training.checkpoint import to_host
from ercfw.training.distributed import Share, is_of_another_process, take_share
from ercfw.training.evaluate import predict
from ercfw.training.gradients import backward
from ercfw.training.prefetch import ahead
from ercfw.training.resume import save
from ercfw.training.state import Callbacks, Plan, Training


@contextmanager
def at(where: str) -> Iterator[None]:
    """Names the place where a run failed, in a part's own code too.

    Raises:
        RunError: instead of what was raised.
    """
    try:
        yield
    except PeerGoneError:
        raise
    except RunError as error:
        raise RunError(f"{where}: {error}") from error
    except ErcfwError:
        raise
    except Exception as error:
        if is_of_another_process(error):
            raise PeerGoneError from error
        raise RunError(f"{where}: {cause_of(error)}") from error


def fit(training: Training, plan: Plan, told: Callbacks) -> Training:
    """Train from where ``training`` stands to the last epoch.

    Its state is saved every ``train.save_seconds``, between two steps, and at the end. The first signal to stop
    is heeded after the step that is going on.

    Raises:
        RunError: a loss, or the metric that chooses the epoch, is not a number; the state cannot be written; the
            memory does not suffice.
        Stopped: somebody asked for it, and the state is saved.
    """
    training.saved_at = time.monotonic()
    with when_saved() as wish:
        while len(training.history) < plan.settings.epochs and not _given_up(training, plan.settings):
            began = time.perf_counter()
            before = training.underway.get("seconds", 0.0)
            _train_epoch(training, plan, told, wish)
            line = _watch(training, plan, told)
            line["seconds"] = round(before + time.perf_counter() - began, 3)
            _keep_best(training, line, plan.watched.later_wins)
            training.history.append(line)
            training.underway = {}
            _save_when_due(training, plan)
            told.epoch(line)
        if training.accelerator.is_main_process:
            save(training, plan.state)
        training.accelerator.wait_for_everyone()
        asked = _read(training, torch.zeros(0, device=training.accelerator.device), wish)[1]
    if asked:
        raise Stopped
    return training


def _train_epoch(training: Training, plan: Plan, told: Callbacks, wish: StopRequest) -> None:
    """What is left of one pass, in an order that only the seed and the epoch decide."""
    began = time.perf_counter()
    if not training.underway:
        learning_rate = training.optimizer.param_groups[-1]["lr"]
        begun = {"epoch": len(training.history) + 1, "lr": learning_rate, "steps": 0, "seconds": 0.0}
        training.underway = {**begun, "totals": dict.fromkeys(training.losses.weights, 0.0)}
    underway, before = training.underway, training.underway["seconds"]
    order = np.random.default_rng([plan.seed, underway["epoch"]]).permutation(len(plan.watched.train))
    steps = list(batches([plan.watched.train[number] for number in order], plan.step_size))
    left = steps[underway["steps"] :]
    for conversations, share in zip(left, ahead(partial(_share_or_none, training), left), strict=True):
        with at(f"epoch {underway['epoch']}, batch {underway['steps'] + 1}"):
            asked = _step(training, plan, conversations, share, told, wish)
        underway["seconds"] = before + time.perf_counter() - began
        _save_when_due(training, plan, at_once=asked)
        told.step()
        if asked:
            raise Stopped


def _share(training: Training, conversations: Sequence[Conversation]) -> Share:
    accelerator = training.accelerator
    share = take_share(conversations, accelerator.process_index, accelerator.num_processes, training.memory.parts)
    return share.pin_memory() if accelerator.device.type == "cuda" else share


def _share_or_none(training: Training, conversations: Sequence[Conversation]) -> Share | None:
    """None where it fails: the step tries again, and can say where it was, or take less memory."""
    try:
        return _share(training, conversations)
    except Exception:
        return None


def _step(
    training: Training,
    plan: Plan,
    conversations: Sequence[Conversation],
    prepared: Share | None,
    told: Callbacks,
    wish: StopRequest,
) -> bool:
    """One step of the optimiser; whether somebody asked to stop."""
    accelerator, underway = training.accelerator, training.underway

    def gradients() -> Tensor:
        training.optimizer.zero_grad()
        share = prepared
        if share is None or len(share.parts) != training.memory.parts:
            share = _share(training, conversations)
        entropy = (plan.seed, underway["epoch"], underway["steps"])
        return backward(accelerator, training.model, training.losses, share, entropy)

    values, asked = _read(training, training.memory.enough(gradients, told.warning), wish)
    for name, value in zip(training.losses.weights, values, strict=True):
        if not math.isfinite(value):
            raise RunError(f"loss '{name}' is {value}; try a lower train.lr, or train.clip")
        underway["totals"][name] += value
    if plan.settings.clip is not None:
        parameters = [*training.model.parameters(), *training.losses.parameters()]
        accelerator.clip_grad_norm_(parameters, plan.settings.clip)
    training.optimizer.step()
    if not accelerator.optimizer_step_was_skipped:
        training.schedule.step()
    underway["steps"] += 1
    return asked


def _read(training: Training, losses: Tensor, wish: StopRequest) -> tuple[list[float], bool]:
    """The losses ``[L]``, and whether any process was asked to stop: read in one go, the only wait for the device."""
    asked = losses.new_full((1,), float(wish.asked))
    if training.accelerator.num_processes > 1:
        dist.all_reduce(asked, dist.ReduceOp.MAX)
    *values, stop = torch.cat([losses, asked]).tolist()
    return values, bool(stop)


def _watch(training: Training, plan: Plan, told: Callbacks) -> Epoch:
    """The epoch's line of the history: what the split that chooses scores; one step of the plateau schedule."""
    underway, watched = training.underway, plan.watched
    with at(f"epoch {underway['epoch']}, scoring"):
        chosen = answer(training, plan, watched.select, told)
        same = watched.schedule is watched.select
        scheduled = chosen if same else answer(training, plan, watched.schedule, told)
        training.schedule.epoch(sum(scheduled.losses.values()))
        scores = score(chosen, plan.metrics, plan.info)
    line = Epoch(
        epoch=underway["epoch"],
        lr=underway["lr"],
        train_loss={name: total / underway["steps"] for name, total in underway["totals"].items()},
        watched_loss=dict(chosen.losses),
        watched=scores,
        selected=selected(scores, plan.select),
        seconds=0.0,
    )
    if not math.isfinite(line["selected"]):
        raise RunError(f"epoch {line['epoch']}: {plan.select}, which chooses the epoch, is {line['selected']}")
    return line


def answer(training: Training, plan: Plan, conversations: Sequence[Conversation], told: Callbacks) -> Predictions:
    """The predictions of the model as it is, in as many parts as its memory asks for."""
    accelerator, model, losses, memory = training.accelerator, training.model, training.losses, training.memory

    def attempt() -> Predictions:
        return predict(accelerator, model, losses, conversations, plan.step_size, memory.parts)

    return memory.enough(attempt, told.warning)


def _given_up(training: Training, settings: Train) -> bool:
    waited = len(training.history) - training.best_epoch
    return settings.patience is not None and waited >= settings.patience


def _keep_best(training: Training, line: Epoch, later_wins: bool) -> None:
    best = training.history[training.best_epoch - 1]["selected"] if training.best_epoch else float("-inf")
    if line["selected"] > best or (later_wins and line["selected"] == best):
        training.best_epoch = line["epoch"]
        training.best = to_host(training.accelerator.unwrap_model(training.model).state_dict())
        training.best_losses = to_host(training.losses.state_dict())


def _save_when_due(training: Training, plan: Plan, at_once: bool = False) -> None:
    """Every process is at the same step, and holds the same: the first one writes, and none waits for it."""
    if at_once or time.monotonic() - training.saved_at >= plan.settings.save_seconds:
        if training.accelerator.is_main_process:
            save(training, plan.state)
        training.saved_at = time.monotonic()
