"""Start a training: make the optimiser, the schedule, the sampler and the callbacks."""

from accelerate import Accelerator
from torch import nn

from ercfw.errors import InputError
from ercfw.model.composed_model import ComposedModel
from ercfw.model.losses import WeightedLosses
from ercfw.registry.make import make_part
from ercfw.system.out_of_memory import BatchParts
from ercfw.training import callbacks
from ercfw.training.optimizer import make_optimizer
from ercfw.training.order import steps_of_epochs
from ercfw.training.schedule import make_schedule
from ercfw.training.state import Plan, Training


def start(accelerator: Accelerator, model: nn.Module, losses: WeightedLosses, plan: Plan) -> Training:
    """Start a training.

    Raises:
        InputError: the recipe asks for halved batches, and there are several processes; or the settings of a part of
            the training are wrong.
        RunError: the code of such a part failed.
    """
    settings = plan.settings
    if settings.on_out_of_memory == "halve" and accelerator.num_processes > 1:
        what = "'halve' works in a single process only"
        raise InputError.at(
            "[train] on_out_of_memory", what, "use a lower data.batch_size with a higher train.accumulate"
        )
    losses.to(accelerator.device)
    parts, train = plan.parts, plan.watched.train
    sampler = None if parts.sampler is None else make_part(parts.sampler, train, plan.info)
    steps = steps_of_epochs(sampler, len(train), plan.step_size, settings.epochs)
    optimizer = make_optimizer(settings, parts.optimizer, nn.ModuleList([model, losses]))
    schedule = make_schedule(settings, parts.schedule, optimizer, steps)
    prepared, optimizer = accelerator.prepare(model, optimizer)
    memory = BatchParts(settings.accumulate, plan.step_size, settings.on_out_of_memory == "halve")
    made = {name: make_part(part, plan.info) for name, part in parts.callbacks.items()}
    named = named_parts(model, losses)
    training = Training(accelerator, prepared, losses, optimizer, schedule, memory, steps, sampler, made, named)
    callbacks.call(training, plan, "start", 0)
    return training


def named_parts(model: nn.Module, losses: WeightedLosses) -> dict[str, nn.Module]:
    """Return the modules of a model and its losses by the names of their tables."""
    network = dict(model.parts()) if isinstance(model, ComposedModel) else {"model": model}
    return {**network, **{f"loss.{name}": loss for name, loss in losses.losses.items()}}
