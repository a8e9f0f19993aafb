"""Inference with a saved run's network on conversations that have their streams."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ercfw.contract.batch import values_of
from ercfw.contract.conversation import Conversation
from ercfw.contract.targets import HALF, TargetKind
from ercfw.data.collate import batches, collate
from ercfw.errors import ErcfwError, RunError, cause_of
from ercfw.predict.answers import Answer, Prediction
from ercfw.predict.saved_run import SavedRun
from ercfw.results.prediction_csv import DIGITS
from ercfw.system.out_of_memory import BatchParts

Values = Mapping[str, NDArray[np.float32]]
"""Probabilities of classes or labels, or numbers, of each target: ``[N, C]``."""


def _class(values: Mapping[str, float]) -> str:
    return max(values, key=values.__getitem__)


def _labels(values: Mapping[str, float]) -> tuple[str, ...]:
    return tuple(name for name, probability in values.items() if probability >= HALF)


def _numbers(values: Mapping[str, float]) -> dict[str, float]:
    return {name: round(number, DIGITS) for name, number in values.items()}


PREDICTION: Mapping[TargetKind, Callable[[Mapping[str, float]], Prediction]] = {
    "classes": _class, "multilabel": _labels, "regression": _numbers,
}  # fmt: skip
"""What the values of an utterance, by name, mean."""


def answer(run: SavedRun, conversations: Sequence[Conversation], warn: Callable[[str], None]) -> list[Answer]:
    """Return the prediction for each utterance, computed in float32 with the batch size of training.

    Raises:
        RunError: the model's code failed, a prediction is not a number, or memory is too small for even one
            conversation.
    """
    size = run.recipe.data.batch_size
    memory = BatchParts(parts=1, most=size, halve=True)
    try:
        values = memory.run(lambda: predicted_values(run, conversations, -(-size // memory.parts)), warn)
    except ErcfwError:
        raise
    except Exception as error:
        raise RunError(f"the model failed: {cause_of(error)}") from error
    check_finite(conversations, values)
    return list(_answers(run, conversations, values))


@torch.inference_mode()
def predicted_values(run: SavedRun, conversations: Sequence[Conversation], size: int) -> Values:
    """Return what the network predicts, ``size`` conversations at a time."""
    parts: dict[str, list[NDArray[np.float32]]] = {}
    for batch in batches(conversations, size):
        outputs = run.network(collate(batch).inputs.to(run.device))
        for target, head in outputs.heads.items():
            values = values_of(run.info.targets[target].kind, head.logits)  # [N, C]
            parts.setdefault(target, []).append(values.cpu().numpy())
    return {target: np.concatenate(found) for target, found in parts.items()}


def check_finite(conversations: Sequence[Conversation], values: Values) -> None:
    """Check that every prediction is a finite number.

    Raises:
        RunError: one is not; the message names the first utterance.
    """
    ids = [id for conversation in conversations for id in conversation.ids]
    for target, of_target in values.items():
        unfit = np.flatnonzero(~np.isfinite(of_target).all(1))
        if len(unfit):
            first = " ".join(ids[unfit[0]])
            raise RunError(f"head '{target}' gave a probability that is not a number, first of {first}")


def _answers(run: SavedRun, conversations: Sequence[Conversation], values: Values) -> Iterator[Answer]:
    row = 0
    for conversation in conversations:
        times = conversation.times or (None,) * len(conversation)
        for place, utterance in enumerate(conversation.utterances):
            start, end = times[place] or (None, None)
            named = {
                target: dict(zip(run.info.targets[target].classes, map(float, of_target[row]), strict=True))
                for target, of_target in values.items()
            }
            kinds = {target: run.info.targets[target].kind for target in named}
            yield Answer(
                conversation=conversation.id,
                utterance=utterance,
                speaker=conversation.speakers[place],
                text=conversation.texts[place],
                start=start,
                end=end,
                predicted={target: PREDICTION[kinds[target]](of) for target, of in named.items()},
                probabilities={
                    target: {name: round(p, DIGITS) for name, p in of.items()}
                    for target, of in named.items()
                    if kinds[target] != "regression"
                },
            )
            row += 1
