"""Labels of made-up utterances, for a dry run."""

import torch
from torch import Tensor

from ercfw.contract.data_info import TargetSpec


def three_labels(spec: TargetSpec) -> Tensor:
    """Return labels of three utterances in the form of a target: ``[3]`` or ``[3, C]``.

    Two of them are of one class, and one of another; both have utterances in train if there are two such, because
    losses may ignore a class that train lacks.
    """
    if spec.kind == "regression":
        mean, deviation = torch.tensor(spec.mean), torch.tensor(spec.deviation)  # [C]
        return mean + deviation * torch.tensor([[-1.0], [0.0], [1.0]])  # [3, C]
    known = [place for place, count in enumerate(spec.counts) if count] or [0, len(spec.classes) - 1]
    classes = torch.tensor([known[0], known[0], known[-1]])
    if spec.form == "classes":
        return classes
    return torch.eye(len(spec.classes))[classes]  # [3, C], shares of 1 and 0
