"""The losses of single conversations, from which a sampler may learn which are difficult."""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ercfw.contract.batch import HeadOutput, Outputs
from ercfw.contract.conversation import UNLABELLED
from ercfw.training.distributed import Share


def conversation_losses(outputs: Outputs, share: Share) -> dict[int, float]:
    """Return the mean loss of the labelled utterances of each conversation, by its place in the batch.

    The loss is that of the first head. Conversations without a label are left out.
    """
    name, head = next(iter(outputs.heads.items()))
    labels = share.whole.targets[name]  # [N]
    rows = np.flatnonzero((labels != UNLABELLED).numpy())
    losses = utterance_losses(head, labels.to(head.logits.device)).double().cpu().numpy()[rows]  # [n]
    of = share.whole.inputs.layout.conversation.numpy()[rows]  # [n]
    counts = np.bincount(of)  # [B]
    sums = np.bincount(of, losses)  # [B]
    return {int(place): float(sums[place] / counts[place]) for place in np.flatnonzero(counts)}


@torch.no_grad()
def utterance_losses(head: HeadOutput, labels: Tensor) -> Tensor:
    """Return the cross-entropy of each utterance, ``[N]``; 0 where there is no label."""
    return cross_entropy(head.logits.detach().float(), labels, ignore_index=UNLABELLED, reduction="none")
