"""Predict a split with a model."""

from collections.abc import Sequence

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from ercfw.contract.batch import labelled, values_of
from ercfw.contract.conversation import Conversation, UtteranceId
from ercfw.contract.data_info import DataInfo
from ercfw.data.collate import batches
from ercfw.model.losses import WeightedLosses
from ercfw.results.scoring import Predictions
from ercfw.training.distributed import gather_outputs, take_share
from ercfw.training.gradients import forward, whole_losses
from ercfw.training.prefetch import prefetch


@torch.no_grad()
def predict(
    accelerator: Accelerator,
    model: nn.Module,
    losses: WeightedLosses,
    info: DataInfo,
    conversations: Sequence[Conversation],
    batch_size: int,
    parts: int = 1,
) -> Predictions:
    """Run a model, which was built with this description of the data, over a split.

    Every utterance is predicted once, for any number of processes and of parts of a batch.
    """
    rank, processes = accelerator.process_index, accelerator.num_processes
    model.eval()
    losses.eval()
    ids: list[UtteranceId] = []
    speakers: list[Tensor] = []
    labels: dict[str, list[Tensor]] = {}
    logits: dict[str, list[Tensor]] = {}
    embeddings: dict[str, list[Tensor]] = {}
    totals = torch.zeros(len(losses.weights), device=accelerator.device)  # [L]
    weight = 0
    with prefetch(
        lambda batch: take_share(batch, rank, processes, parts), batches(conversations, batch_size)
    ) as shares:
        for share in shares:
            answers = [forward(accelerator, model, share, number) for number in range(len(share.parts))]
            outputs = gather_outputs(answers, share, rank)
            rows = max(int(labelled(share.whole.targets, name).sum()) for name in share.whole.targets)
            if rows:
                totals += rows * whole_losses(accelerator, losses, outputs, share)
            weight += rows
            ids += share.whole.ids
            speakers.append(share.whole.inputs.speakers)
            for name, head in outputs.heads.items():
                labels.setdefault(name, []).append(share.whole.targets[name])
                logits.setdefault(name, []).append(head.logits)
                embeddings.setdefault(name, []).append(head.embedding.float().cpu())
    model.train()
    losses.train()
    return Predictions(
        tuple(ids),
        {name: torch.cat(found).numpy() for name, found in labels.items()},
        {name: values_of(info.targets[name].kind, torch.cat(x)).cpu().numpy() for name, x in logits.items()},
        dict(zip(losses.weights, (totals / max(weight, 1)).tolist(), strict=True)),
        {name: torch.cat(found).numpy() for name, found in embeddings.items()},
        torch.cat(speakers).numpy(),
    )
