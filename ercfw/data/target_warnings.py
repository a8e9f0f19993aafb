"""Warn about targets that a model cannot learn or tell apart."""

from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ercfw.contract.conversation import Conversation
from ercfw.contract.data_info import TargetSpec
from ercfw.contract.targets import Target, has_label
from ercfw.data.numeric_classes import describe_numbers, look_like_scores
from ercfw.data.train_statistics import describe_targets


def target_warnings(train: Sequence[Conversation], targets: Mapping[str, Target]) -> Iterable[str]:
    """Warn about numbers that never vary, and about classes and labels that a model cannot learn or tell apart."""
    for target, spec in describe_targets(train, targets).items():
        if spec.kind == "regression":
            numbers = np.concatenate([conversation.labels[target] for conversation in train])
            constant = np.nanmin(numbers, 0) == np.nanmax(numbers, 0) if has_label(numbers).any() else []
            for name, same in zip(spec.classes, constant, strict=False):
                if same:
                    yield f"number '{name}' of '{target}' is the same for all utterances of train"
        else:
            yield from _class_warnings(target, spec)


def _class_warnings(target: str, spec: TargetSpec) -> Iterable[str]:
    """Warn about classes without an utterance, of names that differ in case only, that are numbers, or alone."""
    what = "label" if spec.kind == "multilabel" else "class"
    for name, count in zip(spec.classes, spec.counts, strict=True):
        if not count:
            yield f"{what} '{name}' of '{target}' has no utterance in train"
        if name.lower() in {other.lower() for other in spec.classes if other != name}:
            yield f"{what} '{name}' of '{target}' differs from another {what} in capital letters only"
    if spec.kind == "classes" and look_like_scores(spec.classes):
        yield f"target '{target}': {describe_numbers(spec.classes)}"
    if spec.kind == "classes" and len(spec.classes) == 1:
        yield f"target '{target}' has a single class, so every prediction is correct"
