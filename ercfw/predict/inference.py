"""Inference with a saved run's network on conversations that have their streams."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from ercfw.contract.conversation import Conversation
from ercfw.data.collate import batches, collate
from ercfw.errors import ErcfwError, RunError, cause_of
from ercfw.predict.answers import Answer
from ercfw.predict.saved_run import SavedRun
from ercfw.results.prediction_table import DIGITS
from ercfw.system.out_of_memory import BatchParts

Probabilities = Mapping[str, NDArray[np.float32]]
"""Class probabilities of each target, ``[N, C]``."""


def answer(run: SavedRun, conversations: Sequence[Conversation], warn: Callable[[str], None]) -> list[Answer]:
    """Return the prediction for each utterance, computed in float32 with the batch size of training.

    Raises:
        RunError: the model's code failed, a probability is not a number, or memory is too small for even one
            conversation.
    """
    size = run.recipe.data.batch_size
    memory = BatchParts(parts=1, most=size, halve=True)
    try:
        probabilities = memory.run(lambda: probabilities_of(run, conversations, -(-size // memory.parts)), warn)
    except ErcfwError:
        raise
    except Exception as error:
        raise RunError(f"the model failed: {cause_of(error)}") from error
    check_probabilities(conversations, probabilities)
    return list(_answers(run, conversations, probabilities))


@torch.inference_mode()
def probabilities_of(run: SavedRun, conversations: Sequence[Conversation], size: int) -> Probabilities:
    """Return the probabilities that the network computes, ``size`` conversations at a time."""
    parts: dict[str, list[NDArray[np.float32]]] = {}
    for batch in batches(conversations, size):
        outputs = run.network(collate(batch).inputs.to(run.device))
        for target, head in outputs.heads.items():
            parts.setdefault(target, []).append(head.logits.softmax(-1).cpu().numpy())
    return {target: np.concatenate(found) for target, found in parts.items()}


def check_probabilities(conversations: Sequence[Conversation], probabilities: Probabilities) -> None:
    """Check that every probability is a number.

    Raises:
        RunError: one is not; the message names the first utterance.
    """
    ids = [id for conversation in conversations for id in conversation.ids]
    for target, values in probabilities.items():
        unfit = np.flatnonzero(~np.isfinite(values).all(1))
        if len(unfit):
            first = " ".join(ids[unfit[0]])
            raise RunError(f"head '{target}' gave a probability that is not a number, first of {first}")


def _answers(run: SavedRun, conversations: Sequence[Conversation], probabilities: Probabilities) -> Iterator[Answer]:
    row = 0
    for conversation in conversations:
        times = conversation.times or (None,) * len(conversation)
        for place, utterance in enumerate(conversation.utterances):
            start, end = times[place] or (None, None)
            named = {
                target: dict(zip(run.info.targets[target].classes, map(float, values[row]), strict=True))
                for target, values in probabilities.items()
            }
            yield Answer(
                conversation=conversation.id,
                utterance=utterance,
                speaker=conversation.speakers[place],
                text=conversation.texts[place],
                start=start,
                end=end,
                predicted={target: max(of, key=of.__getitem__) for target, of in named.items()},
                probabilities={t: {name: round(p, DIGITS) for name, p in of.items()} for t, of in named.items()},
            )
            row += 1
