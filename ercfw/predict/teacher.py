"""Frozen run as a teacher: its logits are computed once and stored with the conversations."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from ercfw.contract.conversation import Conversation, fingerprint
from ercfw.contract.interfaces import Dataset
from ercfw.data.collate import batches, collate
from ercfw.data.load import Data, load_data
from ercfw.errors import InputError
from ercfw.predict.saved_run import SavedRun, read_run
from ercfw.recipe.queries import extracted
from ercfw.recipe.schema import Recipe
from ercfw.registry.trust import PluginFiles
from ercfw.system.progress import Progress

HELD_OUT = ("dev", "test")


def with_teacher(data: Data, recipe: Recipe, dataset: Dataset, progress: Progress) -> Data:
    """Return the data with the logits of the recipe's ``[teacher]`` added as separate streams.

    The data inherits the teacher's stamps, because a flaw in the teacher's training data carries over to the student.

    Args:
        data: the student's data.
        recipe: the student's recipe.
        dataset: the dataset of both.
        progress: called with the progress of the extraction.

    Raises:
        InputError: there is no such run, it predicts other classes, or it was trained on data that scores the student.
    """
    assert recipe.teacher is not None
    path = Path(recipe.teacher.run)
    teacher = read_run(path, PluginFiles.chosen(recipe.teacher.plugin_files, trust=False))
    _check(teacher, path, data)
    own = teacher.recipe.data.modalities
    asked = teacher.recipe.model_copy(
        update={"data": recipe.data.model_copy(update={"modalities": own, "missing": None})}
    )
    extractors = {name: teacher.extractor(name) for name in extracted(asked)}
    seen = load_data(asked, extractors, dataset, progress)
    splits = {split: _add_logits(teacher, data.splits[split], seen.splits[split]) for split in data.splits}
    stamps = dict.fromkeys((*data.stamps, *seen.stamps, *teacher.stamps))
    return replace(data, splits=splits, stamps=tuple(stamps))


def _check(teacher: SavedRun, path: Path, data: Data) -> None:
    shared = [target for target in data.targets if target in teacher.info.targets]
    if not shared:
        what = f"{path} predicts {', '.join(teacher.info.targets)}, not {', '.join(data.targets)}"
        raise InputError.at("[teacher] run", what, "choose a run of the same target")
    for target in shared:
        if teacher.info.targets[target].classes != data.targets[target].names:
            what = f"{path} has other classes of '{target}': {', '.join(teacher.info.targets[target].classes)}"
            raise InputError.at("[teacher] run", what, f"it must have {', '.join(data.targets[target].names)}")
    for split in HELD_OUT:
        trained_on = sum(fingerprint(conversation) in teacher.trained_on for conversation in data.splits[split])
        if trained_on:
            what = f"{path} was trained on {trained_on} conversations of this run's {split}"
            raise InputError.at("[teacher] run", what, "choose a teacher that was not trained on them")


def _add_logits(
    teacher: SavedRun, conversations: Sequence[Conversation], seen: Sequence[Conversation]
) -> Sequence[Conversation]:
    """Return the student's conversations with the logits that the teacher computes from its own inputs."""
    with_logits: list[Conversation] = []
    for batch in batches(seen, teacher.recipe.data.batch_size):
        logits = _logits(teacher, batch)
        row = 0
        for conversation, same in zip(
            conversations[len(with_logits) : len(with_logits) + len(batch)], batch, strict=True
        ):
            assert conversation.ids == same.ids
            rows = slice(row, row := row + len(conversation))
            with_logits.append(replace(conversation, teacher={target: x[rows] for target, x in logits.items()}))
    return with_logits


@torch.no_grad()
def _logits(teacher: SavedRun, conversations: Sequence[Conversation]) -> dict[str, NDArray[np.float32]]:
    outputs = teacher.network(collate(conversations).inputs.to(teacher.device))
    return {target: head.logits.float().cpu().numpy() for target, head in outputs.heads.items()}
