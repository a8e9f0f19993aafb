"""Frozen runs as teachers: their outputs are computed once and stored with the conversations."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ercfw.contract.conversation import Conversation, ConversationTeacher, fingerprint
from ercfw.contract.interfaces import Dataset
from ercfw.contract.targets import TargetKind
from ercfw.data.collate import batches, collate
from ercfw.data.load import Data, load_data
from ercfw.errors import InputError
from ercfw.predict.saved_run import SavedRun, read_run
from ercfw.recipe.queries import extracted, teacher_runs
from ercfw.recipe.schema import Recipe
from ercfw.registry.trust import PluginFiles
from ercfw.system.progress import Progress

HELD_OUT = ("dev", "test")


def with_teachers(data: Data, recipe: Recipe, dataset: Dataset, progress: Progress, asked: Collection[str]) -> Data:
    """Return the data with the outputs of each run of the recipe's ``[teacher]``.

    The data inherits the stamps of each run, because a flaw in a teacher's training data carries over to the student.
    Memory holds the outputs of every utterance in float32: the logits and, if they are asked for, embeddings and views.

    Args:
        data: the student's data.
        recipe: the student's recipe.
        dataset: the dataset of all.
        progress: called with the progress of the extraction.
        asked: those of ``OF_TEACHER`` that a loss requires.

    Raises:
        InputError: there is no such run, it predicts other classes, or it was trained on data that scores the student.
    """
    assert recipe.teacher is not None
    kinds: dict[str, TargetKind] = {}
    for run in teacher_runs(recipe):
        teacher = read_run(Path(run), PluginFiles.chosen(recipe.teacher.plugin_files, trust=False))
        _check(teacher, Path(run), data)
        kinds |= {target: spec.kind for target, spec in teacher.info.targets.items()}
        own = teacher.recipe.data.modalities
        cues = teacher.recipe.data.cues
        update = {"data": recipe.data.model_copy(update={"modalities": own, "missing": None, "cues": cues})}
        wanted = teacher.recipe.model_copy(update=update)
        extractors = {name: teacher.extractor(name) for name in extracted(wanted)}
        seen = load_data(wanted, extractors, dataset, progress)
        splits = {
            split: _add_teacher(run, teacher, conversations, seen.splits[split], asked)
            for split, conversations in data.splits.items()
        }
        data = replace(data, splits=splits, stamps=tuple(dict.fromkeys((*data.stamps, *seen.stamps, *teacher.stamps))))
    splits = {split: [_with_mean(c, kinds) for c in conversations] for split, conversations in data.splits.items()}
    return replace(data, splits=splits)


def _check(teacher: SavedRun, path: Path, data: Data) -> None:
    shared = [target for target in data.targets if target in teacher.info.targets]
    if not shared:
        what = f"{path} predicts {', '.join(teacher.info.targets)}, not {', '.join(data.targets)}"
        raise InputError.at("[teacher] run", what, "choose a run of the same target")
    for target in shared:
        if teacher.info.targets[target].classes != data.targets[target].names:
            what = f"{path} has other classes of '{target}': {', '.join(teacher.info.targets[target].classes)}"
            raise InputError.at("[teacher] run", what, f"it must have {', '.join(data.targets[target].names)}")
        kinds = teacher.info.targets[target].kind, data.targets[target].kind
        if kinds[0] != kinds[1]:
            what = f"{path} has '{target}' as a target of kind '{kinds[0]}'"
            raise InputError.at("[teacher] run", what, f"it must be of kind '{kinds[1]}'")
    for split in HELD_OUT:
        trained_on = sum(fingerprint(conversation) in teacher.trained_on for conversation in data.splits[split])
        if trained_on:
            what = f"{path} was trained on {trained_on} conversations of this run's {split}"
            raise InputError.at("[teacher] run", what, "choose a teacher that was not trained on them")


def _add_teacher(
    run: str,
    teacher: SavedRun,
    conversations: Sequence[Conversation],
    seen: Sequence[Conversation],
    asked: Collection[str],
) -> Sequence[Conversation]:
    """Return the student's conversations with what a teacher computes from its own inputs."""
    taught: list[Conversation] = []
    for batch in batches(seen, teacher.recipe.data.batch_size):
        output = _output(teacher, batch, asked)
        row = 0
        for conversation, same in zip(conversations[len(taught) : len(taught) + len(batch)], batch, strict=True):
            assert conversation.ids == same.ids
            rows = slice(row, row := row + len(conversation))
            taught.append(replace(conversation, teachers={**conversation.teachers, run: output.only(rows)}))
    return taught


@torch.no_grad()
def _output(teacher: SavedRun, conversations: Sequence[Conversation], asked: Collection[str]) -> ConversationTeacher:
    """Return the output of a teacher for several conversations, all rows in one."""
    outputs = teacher.network(collate(conversations).inputs.to(teacher.device))

    def on_host(values: Mapping[str, Tensor]) -> dict[str, NDArray[np.float32]]:
        return {name: x.float().cpu().numpy() for name, x in values.items()}

    views = outputs.views if "teacher.views" in asked else {}
    embeddings = {target: head.embedding for target, head in outputs.heads.items()}
    return ConversationTeacher(
        logits=on_host({target: head.logits for target, head in outputs.heads.items()}),
        embeddings=on_host(embeddings) if "teacher.embedding" in asked else {},
        views=on_host(views),
        present={name: outputs.present[name].cpu().numpy() for name in views},
    )


def _with_mean(conversation: Conversation, kinds: Mapping[str, TargetKind]) -> Conversation:
    """Return a conversation with the logits of its teacher or, of several, those of their mean prediction."""
    found: dict[str, list[NDArray[np.float32]]] = {}
    for teacher in conversation.teachers.values():
        for target, logits in teacher.logits.items():
            found.setdefault(target, []).append(logits)
    return replace(conversation, teacher={target: _mean(kinds[target], logits) for target, logits in found.items()})


def _mean(kind: TargetKind, logits: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the logits ``[U, C]`` of the mean probability of classes or labels, or the mean of numbers."""
    if len(logits) == 1:
        return logits[0]
    exact = np.stack(logits).astype(np.float64)  # [R, U, C]
    mean: NDArray[np.float64] = exact.mean(0)  # [U, C]
    if kind == "multilabel":
        yes, no = (-np.logaddexp(0, sign * exact) for sign in (-1, 1))  # log p and log (1 - p), [R, U, C] each
        mean = np.logaddexp.reduce(yes, axis=0) - np.logaddexp.reduce(no, axis=0)
    elif kind == "classes":
        log_p = exact - np.logaddexp.reduce(exact, axis=-1, keepdims=True)
        mean = np.logaddexp.reduce(log_p, axis=0) - np.log(len(logits))
    return mean.astype(np.float32)
