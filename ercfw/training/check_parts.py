"""Check the optimiser, the schedule and the sampler of a recipe without the libraries of a training."""

from collections.abc import Sequence

from torch import nn

from ercfw.contract.conversation import Conversation
from ercfw.contract.data_info import DataInfo
from ercfw.contract.training_parts import Sampler
from ercfw.recipe.train_tables import Train
from ercfw.registry.make import make_part
from ercfw.registry.resolve import ResolvedPart, TrainingParts
from ercfw.training.optimizer import check_optimizer, has_torch_defaults, optimizer_arguments
from ercfw.training.order import checked_order, order_of_epoch, steps_of_epochs
from ercfw.training.schedule import make_schedule


def check_optimization(settings: Train, parts: TrainingParts, modules: nn.Module) -> None:
    """Check the settings of the optimiser and the schedule without data.

    Raises:
        InputError: the settings of a part are wrong.
        RunError: the code of a part failed.
    """
    if parts.schedule is None and has_torch_defaults(parts.optimizer):
        # Torch imports its compiler to make the first optimiser, which takes as long as all other checks together.
        optimizer_arguments(settings, parts.optimizer, modules)
    else:
        optimizer = check_optimizer(settings, parts.optimizer, modules)
        make_schedule(settings, parts.schedule, optimizer, (1,) * settings.epochs)


def check_sampler(
    settings: Train, part: ResolvedPart[Sampler], info: DataInfo, conversations: Sequence[Conversation]
) -> None:
    """Ask a sampler for the size of every epoch and for the order of the first one.

    Raises:
        InputError: the settings are wrong, or the sampler breaks a rule.
        RunError: the code of the sampler failed.
    """
    sampler, count = make_part(part, conversations, info), len(conversations)
    steps_of_epochs(sampler, count, 1, settings.epochs)
    checked_order(order_of_epoch(sampler, count, 0, 1), count, 1)
