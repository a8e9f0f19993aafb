"""Check the optimiser, the schedule and the callbacks of a recipe without data or the libraries of a training."""

from torch import nn

from ercfw.contract.data_info import DataInfo
from ercfw.recipe.train_tables import Train
from ercfw.registry.make import make_part
from ercfw.registry.resolve import TrainingParts
from ercfw.training.optimizer import check_optimizer, has_torch_defaults, optimizer_arguments
from ercfw.training.schedule import make_schedule


def check_training_parts(settings: Train, parts: TrainingParts, info: DataInfo, modules: nn.Module) -> None:
    """Check the settings of the optimiser, the schedule and the callbacks without data.

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
    for part in parts.callbacks.values():
        make_part(part, info)
