"""The training loop, on Accelerate; it reads only the splits that its plan holds."""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial

import torch
from torch import Tensor
from torch import distributed as dist

from ercfw.contract.batch import Outputs
from ercfw.contract.conversation import Conversation
from ercfw.contract.data_info import DataInfo
from ercfw.contract.hooks import Epoch
from ercfw.contract.optional_parts import SupportsObserve
from ercfw.data.collate import batches
from ercfw.errors import ErcfwError, PeerGoneError, RunError, cause_of
from ercfw.recipe.train_tables import Train
from ercfw.results.scoring import Predictions, score, selected
from ercfw.system.signals import Stopped, StopRequest, when_saved
from ercfw.training import callbacks
from ercfw.training.checkpoint import to_host
from ercfw.training.conversation_losses import conversation_losses
from ercfw.training.distributed import Share, is_of_another_process, take_share
from ercfw.training.evaluate import predict
from ercfw.training.order import checked_order, observe, order_of_epoch
from ercfw.training.prefetch import prefetch
from ercfw.training.resume import save
from ercfw.training.state import Listeners, Plan, Training

SHARE_OF_SAVING = 0.05
"""The share of a training's time that writing checkpoints may take; the time at its end does not count."""


@contextmanager
def locate_failure(where: str) -> Iterator[None]:
    """Put a place, such as an epoch and batch, before the message of a failure.

    Raises:
        RunError: the block failed, in ercfw or in the code of a part.
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


def fit(training: Training, plan: Plan, listeners: Listeners) -> Training:
    """Train from the current state of ``training`` to the last epoch.

    A checkpoint is written between two steps every ``train.save_seconds``, or less often if that took more than
    ``SHARE_OF_SAVING`` of the time, and at the end. After the first signal to
    stop, the training finishes the current step and stops.

    Raises:
        RunError: a loss or the metric that chooses the epoch is not a number, the checkpoint cannot be written, or
            memory is exhausted.
        Stopped: a stop was requested, and a checkpoint is written.
    """
    training.saved_at = time.monotonic()
    with when_saved() as stop_request:
        while not _is_over(training, plan.settings):
            began = time.perf_counter()
            before = training.underway.get("seconds", 0.0)
            _train_epoch(training, plan, listeners, stop_request)
            epoch = _score_epoch(training, plan, listeners)
            epoch["seconds"] = round(before + time.perf_counter() - began, 3)
            _finish_epoch(training, plan, epoch)
            _save_when_due(training, plan)
            listeners.epoch(epoch)
        if training.accelerator.is_main_process:
            save(training, plan.state)
        training.accelerator.wait_for_everyone()
        must_stop = _read(training, torch.zeros(0, device=training.accelerator.device), stop_request)[1]
    if must_stop:
        raise Stopped
    return training


def _train_epoch(training: Training, plan: Plan, listeners: Listeners, stop_request: StopRequest) -> None:
    """Run the remaining steps of an epoch, in an order that depends only on the seed and the epoch."""
    began = time.perf_counter()
    if not training.underway:
        learning_rate = training.optimizer.param_groups[-1]["lr"]
        begun = {"epoch": len(training.history) + 1, "lr": learning_rate, "steps": 0, "seconds": 0.0}
        training.underway = {**begun, "totals": dict.fromkeys(training.losses.weights, 0.0)}
    underway, before = training.underway, training.underway["seconds"]
    with locate_failure(f"epoch {underway['epoch']}"):
        count = len(plan.watched.train)
        order = training.order or order_of_epoch(training.sampler, count, plan.seed, underway["epoch"])
        training.order = checked_order(order, count, underway["epoch"])
    steps = list(batches([plan.watched.train[number] for number in training.order], plan.step_size))
    left = steps[underway["steps"] :]
    with prefetch(partial(_share_or_none, training), left) as shares:
        for conversations, share in zip(left, shares, strict=True):
            with locate_failure(f"epoch {underway['epoch']}, batch {underway['steps'] + 1}"):
                must_stop = _step(training, plan, conversations, share, listeners, stop_request)
            underway["seconds"] = before + time.perf_counter() - began
            _save_when_due(training, plan, at_once=must_stop)
            listeners.step()
            if must_stop:
                raise Stopped


def _share(training: Training, conversations: Sequence[Conversation]) -> Share:
    accelerator = training.accelerator
    share = take_share(conversations, accelerator.process_index, accelerator.num_processes, training.memory.parts)
    return share.pin_memory() if accelerator.device.type == "cuda" else share


def _share_or_none(training: Training, conversations: Sequence[Conversation]) -> Share | None:
    """Return the share, or None if it fails: the step then tries again, and can report the place or save memory."""
    try:
        return _share(training, conversations)
    except Exception:
        return None


def _step(
    training: Training,
    plan: Plan,
    conversations: Sequence[Conversation],
    prepared: Share | None,
    listeners: Listeners,
    stop_request: StopRequest,
) -> bool:
    """Run one step of the optimiser; return whether a stop was requested."""
    accelerator, underway = training.accelerator, training.underway

    def gradients() -> Tensor:
        training.optimizer.zero_grad()
        share = prepared
        if share is None or len(share.parts) != training.memory.parts:
            share = _share(training, conversations)
        entropy = (plan.seed, underway["epoch"], underway["steps"])
        return callbacks.batch_gradients(training, plan, share, entropy, seen)

    observed: dict[int, float] = {}
    seen = _note_losses(observed, plan.info) if isinstance(training.sampler, SupportsObserve) else None
    values, must_stop = _read(training, training.memory.run(gradients, listeners.warning), stop_request)
    for name, value in zip(training.losses.weights, values, strict=True):
        if not math.isfinite(value):
            raise RunError(f"loss '{name}' is {value} (try a lower train.lr, or set train.clip)")
        underway["totals"][name] += value
    callbacks.call(training, plan, "before_step", underway["steps"] + 1)
    if plan.settings.clip is not None:
        parameters = [*training.model.parameters(), *training.losses.parameters()]
        accelerator.clip_grad_norm_(parameters, plan.settings.clip)
    training.optimizer.step()
    if not accelerator.optimizer_step_was_skipped:
        training.schedule.step()
    callbacks.call(training, plan, "after_step", underway["steps"] + 1)
    if training.sampler is not None and seen is not None:
        numbers = training.order[underway["steps"] * plan.step_size :]
        observe(training.sampler, [numbers[place] for place in observed], [*observed.values()])
    underway["steps"] += 1
    return must_stop


def _note_losses(observed: dict[int, float], info: DataInfo) -> Callable[[Outputs, Share], None]:
    """Return a function that notes the loss of each conversation of a batch, by its place in the batch."""

    def note(outputs: Outputs, share: Share) -> None:
        observed.clear()
        observed.update(conversation_losses(outputs, share, info))

    return note


def _read(training: Training, losses: Tensor, stop_request: StopRequest) -> tuple[list[float], bool]:
    """Read the losses ``[L]`` and whether any process was asked to stop, with a single wait for the device."""
    asked = losses.new_full((1,), float(stop_request.asked))  # [1]
    if training.accelerator.num_processes > 1:
        dist.all_reduce(asked, dist.ReduceOp.MAX)
    *values, stop = torch.cat([losses, asked]).tolist()
    return values, bool(stop)


def _score_epoch(training: Training, plan: Plan, listeners: Listeners) -> Epoch:
    """Score the watched splits, advance the plateau schedule, and return the entry of the history."""
    underway, watched = training.underway, plan.watched
    with locate_failure(f"epoch {underway['epoch']}, scoring"):
        callbacks.call(training, plan, "before_scoring", underway["steps"])
        chosen = predict_split(training, plan, watched.select, listeners)
        same = watched.schedule is watched.select
        scheduled = chosen if same else predict_split(training, plan, watched.schedule, listeners)
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


def predict_split(
    training: Training, plan: Plan, conversations: Sequence[Conversation], listeners: Listeners
) -> Predictions:
    """Predict conversations with the current weights, in as many parts per batch as memory requires."""
    accelerator, model, losses, memory = training.accelerator, training.model, training.losses, training.memory

    def attempt() -> Predictions:
        return predict(accelerator, model, losses, plan.info, conversations, plan.step_size, memory.parts)

    return memory.run(attempt, listeners.warning)


def _finish_epoch(training: Training, plan: Plan, epoch: Epoch) -> None:
    """Keep the weights if they are the best, as they were scored, and let the callbacks end the training."""
    steps = training.underway["steps"]
    _keep_best(training, epoch, plan)
    with locate_failure(f"epoch {epoch['epoch']}"):
        callbacks.call_reversed(training, plan, "after_scoring", steps)
        training.history.append(epoch)
        training.underway, training.order = {}, []
        training.ended |= any(callbacks.call(training, plan, "after_epoch", steps))


def _is_over(training: Training, settings: Train) -> bool:
    waited = len(training.history) - training.best_epoch
    out_of_patience = settings.patience is not None and waited >= settings.patience
    return training.ended or out_of_patience or len(training.history) >= settings.epochs


def _keep_best(training: Training, epoch: Epoch, plan: Plan) -> None:
    sign = -1 if plan.scale.lower_is_better else 1
    best = sign * training.history[training.best_epoch - 1]["selected"] if training.best_epoch else float("-inf")
    score = sign * epoch["selected"]
    if score > best or (plan.watched.later_wins and score == best):
        training.best_epoch = epoch["epoch"]
        training.best = to_host(training.accelerator.unwrap_model(training.model).state_dict())
        training.best_losses = to_host(training.losses.state_dict())


def _save_when_due(training: Training, plan: Plan, at_once: bool = False) -> None:
    """Write a checkpoint if it is due: the main process writes it, and the others, which hold the same, do not wait."""
    began, seconds = time.monotonic(), plan.settings.save_seconds
    wait = max(seconds, training.saving_took / SHARE_OF_SAVING) if seconds else 0.0
    if at_once or began - training.saved_at >= wait:
        if training.accelerator.is_main_process:
            save(training, plan.state)
        training.saved_at = time.monotonic()
        training.saving_took = training.saved_at - began
