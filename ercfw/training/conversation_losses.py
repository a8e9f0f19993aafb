"""The losses of single conversations, from which a sampler may learn which are difficult."""

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from ercfw.contract.batch import HeadOutput, Outputs, labelled
from ercfw.contract.conversation import UNLABELLED
from ercfw.contract.data_info import DataInfo, TargetSpec
from ercfw.training.distributed import Share


def conversation_losses(outputs: Outputs, share: Share, info: DataInfo) -> dict[int, float]:
    """Return the mean loss of the labelled utterances of each conversation, by its place in the batch.

    The loss is that of the first head. Conversations without a label are left out.
    """
    name, head = next(iter(outputs.heads.items()))
    labels = share.whole.targets[name]  # [N]
    rows = np.flatnonzero(labelled(share.whole.targets, name).numpy())
    spec = info.targets[name]
    losses = utterance_losses(head, labels.to(head.logits.device), spec).double().cpu().numpy()[rows]  # [n]
    of = share.whole.inputs.layout.conversation.numpy()[rows]  # [n]
    counts = np.bincount(of)  # [B]
    sums = np.bincount(of, losses)  # [B]
    return {int(place): float(sums[place] / counts[place]) for place in np.flatnonzero(counts)}


@torch.no_grad()
def utterance_losses(head: HeadOutput, labels: Tensor, spec: TargetSpec) -> Tensor:
    """Return the loss of each utterance, ``[N]``; without a meaning where there is no label.

    That is the cross-entropy of classes, the mean binary cross-entropy of labels, or the mean squared error of numbers
    in standard deviations of train.
    """
    logits = head.logits.detach().float()  # [N, C]
    if spec.form == "classes":
        return F.cross_entropy(logits, labels, ignore_index=UNLABELLED, reduction="none")
    labels = labels.to(logits.dtype).nan_to_num()  # [N, C]
    if spec.kind == "classes":
        return F.cross_entropy(logits, labels, reduction="none")
    if spec.kind == "multilabel":
        return F.binary_cross_entropy_with_logits(logits, labels, reduction="none").mean(-1)
    deviation = torch.tensor(spec.deviation, device=logits.device)  # [C]
    return ((logits - labels) / deviation).square().mean(-1)
