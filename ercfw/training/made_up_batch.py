"""Made-up utterances for the dry run, in which speakers speak twice, and emotions last and change."""

from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from ercfw.contract.batch import Inputs, Stream
from ercfw.contract.data_info import DataInfo, ModalitySpec, TargetSpec
from ercfw.data.collate import make_layout

SPEAKERS = ((0, 0, 0, 1, 0), (0,))
"""The speakers of each conversation; the conversation of a single utterance breaks code that needs a neighbour."""
LABELS = (0, 0, 1, 1, 0, 1)
"""The label of each utterance, one of two: after the same speaker and after another, it once stays and once changes."""
FEWEST_BATCHES = 2
"""A loss that compares a batch with those before it learns nothing from the first."""
_ROWS = len(LABELS)


def made_up_inputs(info: DataInfo) -> Inputs:
    """Make six utterances in two conversations, with values like those of the training data."""
    speakers = [np.array(conversation) for conversation in SPEAKERS]
    layout = make_layout([len(conversation) for conversation in SPEAKERS], speakers)
    streams = {name: _random_stream(spec) for name, spec in info.modalities.items()}
    return Inputs(streams, layout, torch.from_numpy(np.concatenate(speakers)))


def _random_stream(spec: ModalitySpec) -> Stream:
    present, frames = torch.ones(_ROWS, dtype=torch.bool), torch.ones(_ROWS, 2, dtype=torch.bool)
    if spec.kind == "tokens":
        return Stream(torch.randint(spec.dim, (_ROWS, 2)), present, frames)
    mean, deviation = torch.tensor(spec.mean), torch.tensor(spec.deviation)  # [D]
    if spec.kind == "vector":
        return Stream(mean + deviation * torch.randn(_ROWS, spec.dim), present)
    return Stream(mean + deviation * torch.randn(_ROWS, 2, spec.dim), present, frames)


def made_up_labels(targets: Mapping[str, TargetSpec]) -> Iterator[dict[str, Tensor]]:
    """Yield labels for each target, again and again with another pair of classes, until each class was used.

    Losses may ignore a class that train lacks, and such classes are left out if that leaves any.
    """
    known = {target: _known_classes(spec) for target, spec in targets.items()}
    for draw in range(max([FEWEST_BATCHES, *map(len, known.values())])):
        yield {
            target: _in_form(targets[target], _labels(classes, draw % len(classes)))
            for target, classes in known.items()
        }


def _known_classes(spec: TargetSpec) -> list[int]:
    return [place for place, count in enumerate(spec.counts) if count] or list(range(len(spec.classes)))


def _labels(classes: list[int], first: int) -> Tensor:
    pair = torch.tensor([classes[first], classes[first - 1]])
    return pair[torch.tensor(LABELS)]  # [N]


def _in_form(spec: TargetSpec, classes: Tensor) -> Tensor:
    """Return labels in the form of a target: classes ``[N]``, or ``[N, C]`` numbers or labels."""
    if spec.kind == "regression":
        mean, deviation = torch.tensor(spec.mean), torch.tensor(spec.deviation)  # [C]
        return mean + deviation * (2 * torch.tensor(LABELS, dtype=torch.float32) - 1).unsqueeze(-1)
    return classes if spec.form == "classes" else torch.eye(len(spec.classes))[classes]
