"""Check that a stream was not fitted on the utterances that judge it."""

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ercfw.contract.conversation import Conversation, UtteranceId
from ercfw.contract.feature_table import FittedOn
from ercfw.contract.stamps import DEV_CONTAMINATED
from ercfw.contract.stored_streams import gather
from ercfw.contract.targets import has_label
from ercfw.errors import InputError, RunError
from ercfw.system.files import is_file, write_text
from ercfw.system.user_folders import cache_folder

SUSPICIOUS_POINTS = 10.0
FOLDS = 5
PENALTIES = np.logspace(0, 4, 5)
"""Strengths of the ridge penalty; leave-one-out cross-validation chooses one."""
SAMPLE = 20_000
"""Utterances per split that the linear classifier reads; more would hardly change its score."""


@dataclass(frozen=True)
class LeakageResult:
    """The result of the leakage check of one stream: stamps for every output, and warnings."""

    stamps: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def check_fitted(
    modality: str,
    fitted_on: FittedOn,
    splits: Mapping[str, Sequence[Conversation]],
    source_train: frozenset[UtteranceId],
    allow_dev: bool,
) -> LeakageResult:
    """Compare the utterances that a stream was fitted on with those that judge it.

    Raises:
        InputError: the stream was fitted on test, or on dev while ``data.allow_fitted_dev`` is false.
    """
    if fitted_on == "nothing":
        return LeakageResult()
    if fitted_on == "unknown":
        return LeakageResult(warnings=tuple(_warnings(modality, splits, source_train)))
    where = f"[features.{modality}] fitted_on"
    met = {name: len(fitted_on & {id for c in splits[name] for id in c.ids}) for name in ("test", "dev")}
    if met["test"]:
        what = f"stream '{modality}' was fitted on {met['test']} utterances of test"
        raise InputError.at(where, what, "use features that were not fitted on test")
    if met["dev"] and not allow_dev:
        raise InputError.at(
            where,
            f"stream '{modality}' was fitted on {met['dev']} utterances of dev, so dev cannot judge it",
            "use another dev split or stream, or set data.allow_fitted_dev = true, which stamps all results",
        )
    return LeakageResult(stamps=(DEV_CONTAMINATED,)) if met["dev"] else LeakageResult()


def _warnings(
    modality: str, splits: Mapping[str, Sequence[Conversation]], source_train: frozenset[UtteranceId]
) -> list[str]:
    """Warn where a stream of unknown origin looks fitted on labels, or where dev could not show it."""
    warnings = []
    inside, outside, majority = linear_scores(modality, splits["train"], splits["dev"])
    of_train = any(id in source_train for conversation in splits["dev"] for id in conversation.ids)
    if of_train and inside - majority > SUSPICIOUS_POINTS:
        warnings.append(
            f"stream '{modality}': it is unknown what it was fitted on. A linear classifier scores {inside:.1f} inside "
            "train, and dev is a part of what its source calls train. If it was fitted on those labels, dev scores are "
            f"too high, and no check here can detect it (set [features.{modality}] fitted_on)"
        )
    if inside - outside > SUSPICIOUS_POINTS:
        warnings.append(
            f"stream '{modality}': a linear classifier scores {inside:.1f} inside train but {outside:.1f} on dev, "
            "which suggests that the features were fitted on the training labels"
        )
    return warnings


def linear_scores(
    modality: str, train: Sequence[Conversation], dev: Sequence[Conversation]
) -> tuple[float, float, float]:
    """Return the scores of a linear classifier on a stream, in points.

    The first value is the weighted F1 in cross-validation by conversation inside train. The second is the weighted
    F1 on dev after training on all of train. The third is the share of the majority class of train; a first value
    below it means that the stream was not fitted on the labels.

    A linear classifier cannot read frames or tokens: such streams give zeros. From a split of more than ``SAMPLE``
    utterances, evenly spaced conversations are used. Scores are cached by content.
    """
    x, labels, groups = _rows(modality, train)
    x_dev, dev_labels, _ = _rows(modality, dev)
    y, y_dev = _classes(labels, dev_labels)
    if x.ndim != 2 or len(np.unique(y)) < 2 or len(np.unique(groups)) < FOLDS or not len(y_dev):
        return 0.0, 0.0, 0.0
    majority = 100 * float(np.bincount(y).max()) / len(y)
    digest = hashlib.sha256(b"ridge, strength by cross-validation")
    for array in (x, y, groups, x_dev, y_dev):
        digest.update(np.ascontiguousarray(array).tobytes())
    inside, outside = _kept(digest.hexdigest(), lambda: _score(x, y, groups, x_dev, y_dev))
    return inside, outside, majority


def _kept(name: str, compute: Callable[[], tuple[float, float]]) -> tuple[float, float]:
    """Return what was computed before, or compute it and keep it; without a cache, the result is the same."""
    try:
        path = cache_folder() / "fitted" / f"{name}.json"
    except InputError:
        return compute()
    if is_file(path):
        inside, outside = json.loads(path.read_text(encoding="utf-8"))
        return inside, outside
    computed = compute()
    with suppress(RunError):
        write_text(path, json.dumps(computed))
    return computed


def _score(
    x: NDArray[np.float32],
    y: NDArray[np.int64],
    groups: NDArray[np.int64],
    x_dev: NDArray[np.float32],
    y_dev: NDArray[np.int64],
) -> tuple[float, float]:
    from sklearn.linear_model import RidgeClassifierCV
    from sklearn.metrics import f1_score
    from sklearn.model_selection import GroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    # With about as many rows as columns, a fixed weak penalty fits noise and scores far below what the features allow.
    classifier = make_pipeline(StandardScaler(), RidgeClassifierCV(PENALTIES))
    inside = cross_val_predict(classifier, x, y, groups=groups, cv=GroupKFold(FOLDS))
    outside = classifier.fit(x, y).predict(x_dev)
    score = [
        100 * float(f1_score(t, p, average="weighted", zero_division=0)) for t, p in ((y, inside), (y_dev, outside))
    ]
    return score[0], score[1]


def _rows(
    modality: str, conversations: Sequence[Conversation]
) -> tuple[NDArray[np.float32], NDArray[Any], NDArray[np.int64]]:
    """Return the present and labelled rows.

    These are the values ``[N, D]``, the labels of the first target, ``[N]`` or ``[N, C]``, and the conversation numbers
    ``[N]``.
    """
    conversations = conversations[:: max(1, math.ceil(sum(map(len, conversations)) / SAMPLE))]
    if not conversations or conversations[0].streams[modality].lengths is not None:
        return np.zeros(0, np.float32), np.zeros(0, np.int64), np.zeros(0, np.int64)
    stream = gather(conversations, [modality])[modality]
    labels = np.concatenate([next(iter(c.labels.values())) for c in conversations])
    numbers = np.repeat(np.arange(len(conversations)), [len(c) for c in conversations])
    keep = stream.present & has_label(labels)
    return stream.values[keep].astype(np.float32, copy=False), labels[keep], numbers[keep]


def _classes(train: NDArray[Any], dev: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return two sets of labels as classes.

    Of numbers, several labels or shares of annotators, ``[N, C]``, they tell whether one of the C is above its median
    in train: the one that divides train most evenly.
    """
    if train.ndim < 2 or not len(train):
        return train.astype(np.int64), dev.astype(np.int64)
    medians = np.median(train, axis=0)  # [C]
    shares = (train > medians).mean(0)  # [C]
    column = int(np.argmin(np.abs(shares - 0.5)))
    above = [labels[:, column] > medians[column] for labels in (train, dev.reshape(-1, train.shape[1]))]
    return above[0].astype(np.int64), above[1].astype(np.int64)
