"""Predictions of every scored split, with the best weights of a run and with its untrained ones."""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

from torch import Tensor

from ercfw.contract.conversation import Conversation
from ercfw.contract.data_info import DataInfo
from ercfw.model.build import build_model
from ercfw.recipe.train_tables import Train
from ercfw.registry.resolve import NetworkParts
from ercfw.results.embeddings_file import Moment
from ercfw.results.model_file import start_from
from ercfw.results.scoring import Predictions
from ercfw.training.loop import predict_split
from ercfw.training.seeds import seed_everything
from ercfw.training.state import Listeners, Plan, Training


def predict_splits(
    training: Training,
    plan: Plan,
    splits: Mapping[str, Sequence[Conversation]],
    scored: Collection[str],
    untrained: Mapping[str, Tensor],
    warn: Callable[[str], None],
) -> dict[Moment, dict[str, Predictions]]:
    """Predict each scored split that has conversations, in the order of ``splits``.

    Args:
        training: the finished training; its model is left with the weights that predicted last.
        plan: the plan of the training.
        splits: the conversations.
        scored: the splits that the protocol scores.
        untrained: the initial weights.
        warn: called with each warning.
    """
    model = training.accelerator.unwrap_model(training.model)
    weights: dict[Moment, Mapping[str, Tensor]] = {"best": training.best, "untrained": untrained}
    found: dict[Moment, dict[str, Predictions]] = {moment: {} for moment in weights}
    for split, conversations in splits.items():
        for moment in weights if split in scored and conversations else ():
            model.load_state_dict(weights[moment])
            found[moment][split] = predict_split(training, plan, conversations, Listeners(warning=warn))
    return found


def initial_weights(settings: Train, parts: NetworkParts, seed: int, info: DataInfo) -> dict[str, Tensor]:
    """Create the weights that training began with again, from the seed."""
    seed_everything(seed)
    model = build_model(parts, info)
    if settings.init_from is not None:
        start_from(model, Path(settings.init_from))
    return model.state_dict()
