"""Predictions, and the metrics that score them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from accelerate import Accelerator
from numpy.typing import NDArray
from torch import Tensor, nn

from ercfw.ahead import ahead
from ercfw.contract.conversation import UNLABELLED, Conversation, UtteranceId
from ercfw.contract.data_info import DataInfo
from ercfw.contract.interfaces import Metric
from ercfw.data.collate import batches
from ercfw.distributed import gather_outputs, take_share
from ercfw.errors import RunError, cause_of
from ercfw.model.losses import WeightedLosses
from ercfw.step import forward, whole_losses

Scores = dict[str, float | dict[str, float]]


@dataclass(frozen=True)
class Predictions:
    """A model's answer for a split, a row an utterance, in the order of its conversations.

    Attributes:
        ids: the utterances.
        labels: ``[N]`` a target, -100 = unlabelled.
        probabilities: ``[N, C]`` a target.
        losses: each weighted loss; the mean over batches, weighted by their labelled rows.
        embeddings: ``[N, E]`` a target, the vectors that its head answers from.
    """

    ids: tuple[UtteranceId, ...]
    labels: Mapping[str, NDArray[np.int64]]
    probabilities: Mapping[str, NDArray[np.float32]]
    losses: Mapping[str, float]
    embeddings: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)


@torch.no_grad()
def predict(
    accelerator: Accelerator,
    model: nn.Module,
    losses: WeightedLosses,
    conversations: Sequence[Conversation],
    batch_size: int,
    parts: int = 1,
) -> Predictions:
    """Run a model over a split; every utterance once, however many processes and parts share the work."""
    rank, processes = accelerator.process_index, accelerator.num_processes
    model.eval()
    losses.eval()
    ids: list[UtteranceId] = []
    labels: dict[str, list[Tensor]] = {}
    logits: dict[str, list[Tensor]] = {}
    embeddings: dict[str, list[Tensor]] = {}
    totals = torch.zeros(len(losses.weights), device=accelerator.device)  # [L]
    weight = 0
    for share in ahead(lambda part: take_share(part, rank, processes, parts), batches(conversations, batch_size)):
        answers = [forward(accelerator, model, share, number) for number in range(len(share.parts))]
        outputs = gather_outputs(answers, share, rank)
        rows = max(int((y != UNLABELLED).sum()) for y in share.whole.targets.values())
        if rows:
            totals += rows * whole_losses(accelerator, losses, outputs, share)
        weight += rows
        ids += share.whole.ids
        for name, head in outputs.heads.items():
            labels.setdefault(name, []).append(share.whole.targets[name])
            logits.setdefault(name, []).append(head.logits)
            embeddings.setdefault(name, []).append(head.embedding.float().cpu())
    model.train()
    losses.train()
    return Predictions(
        tuple(ids),
        {name: torch.cat(found).numpy() for name, found in labels.items()},
        {name: torch.cat(found).softmax(-1).cpu().numpy() for name, found in logits.items()},
        dict(zip(losses.weights, (totals / max(weight, 1)).tolist(), strict=True)),
        {name: torch.cat(found).numpy() for name, found in embeddings.items()},
    )


def score(predictions: Predictions, metrics: Mapping[str, Metric], info: DataInfo) -> dict[str, Scores]:
    """Every metric of every target, over the labelled utterances; a target without any is left out.

    Raises:
        RunError: a probability is not a number, or a metric fails.
    """
    scores: dict[str, Scores] = {}
    for target, labels in predictions.labels.items():
        real = labels != UNLABELLED
        if not real.any():
            continue
        true, probabilities = labels[real], predictions.probabilities[target][real]
        if not np.isfinite(probabilities).all():
            raise RunError(
                f"head '{target}' gave a probability that is not a number; try a lower train.lr, or train.clip"
            )
        scores[target] = measure(true, probabilities, metrics, info.targets[target].classes)
    return scores


def measure(
    true: NDArray[np.int64], probabilities: NDArray[np.float32], metrics: Mapping[str, Metric], classes: Sequence[str]
) -> Scores:
    """Every metric of labelled utterances: ``[N], [N, C] ->`` a score a name.

    Raises:
        RunError: a metric fails.
    """
    return {name: _measure(name, metric, true, probabilities, classes) for name, metric in metrics.items()}


def _measure(
    name: str, metric: Metric, true: NDArray[np.int64], probabilities: NDArray[np.float32], classes: Sequence[str]
) -> float | dict[str, float]:
    try:
        value = metric(true, probabilities, classes)
        if isinstance(value, np.ndarray) and value.ndim:
            return dict(zip(classes, map(float, value), strict=True))
        return float(value)
    except Exception as error:
        raise RunError(f"metric '{name}' failed: {cause_of(error)}") from error


def selected(scores: Mapping[str, Scores], select: str) -> float:
    """The one number that ``select`` (``target.metric``) names; the mean of a metric that is a number a class."""
    target, _, metric = select.partition(".")
    value = scores[target][metric]
    return value if isinstance(value, float) else float(np.mean(list(value.values())))
