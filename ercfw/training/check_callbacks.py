"""Start the callbacks of a recipe without a training, to find settings that do not fit."""

from collections.abc import Mapping

from torch import nn

from ercfw.contract.data_info import DataInfo
from ercfw.contract.interfaces import Model
from ercfw.contract.metric import Metric
from ercfw.contract.training_parts import TrainingView
from ercfw.model.losses import WeightedLosses
from ercfw.recipe.queries import selected_metric
from ercfw.recipe.schema import Recipe
from ercfw.registry.make import make_part
from ercfw.registry.resolve import TrainingParts
from ercfw.training.callbacks import blame, lower_is_better, watched_scores
from ercfw.training.optimizer import make_optimizer
from ercfw.training.start import named_parts


def check_callbacks(
    recipe: Recipe,
    parts: TrainingParts,
    info: DataInfo,
    metrics: Mapping[str, Metric],
    model: Model,
    losses: WeightedLosses,
) -> None:
    """Start every callback, as a training does before its first step.

    Args:
        recipe: the recipe.
        parts: its optimiser and callbacks.
        info: the statistics of the data.
        metrics: the metrics by name.
        model: the model; a callback may change it.
        losses: the losses; a callback may change them.

    Raises:
        InputError: a callback reports a mistake in the recipe.
        RunError: the code of a callback failed.
    """
    scores = watched_scores(info, metrics)
    callbacks = {name: make_part(part, info) for name, part in parts.callbacks.items()}
    optimizer = make_optimizer(recipe.train, parts.optimizer, nn.ModuleList([model, losses]))
    for name, callback in callbacks.items():
        view = TrainingView(
            model=model,
            losses=losses,
            parts=named_parts(model, losses),
            optimizer=optimizer,
            inputs=(),
            epoch=0,
            step=0,
            steps=0,
            epochs=recipe.train.epochs,
            history=(),
            scores=list(scores),
            gradient_scale=1.0,
            seed=0,
            name=name,
            select=selected_metric(recipe),
            lower_is_better=lower_is_better(scores),
        )
        with blame(name):
            callback.start(view)
