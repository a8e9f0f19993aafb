"""Samplers: the order and choice of the conversations of each epoch."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from ercfw import (
    UNLABELLED,
    Conversation,
    DataInfo,
    InputError,
    Sampler,
    did_you_mean,
    hard_labels,
    has_label,
)

Count = Annotated[int, Field(ge=1)]


class Shuffle(Sampler):
    """Every conversation once, in random order; what a recipe without a sampler does."""

    def epoch(self, number: int, generator: np.random.Generator) -> Sequence[int]:
        """Return a permutation."""
        return [int(each) for each in generator.permutation(len(self.conversations))]


class Balanced(Sampler):
    """Draws conversations with replacement, those with rare classes more often.

    A class (or one of several labels) with n labels has the weight ``n ** -power``, and a conversation the mean weight
    of its labels; it is drawn with a probability in proportion to its weight. Power 1 is class-balanced sampling and
    power 0.5 is square-root sampling (Kang et al., ICLR 2020, equation 1), here of whole conversations. One without
    labels has the mean weight.

    Options:
        power: how strongly rare classes are preferred; 0 = not at all.
        labels: the target whose classes count; by default the first one.
    """

    def __init__(
        self,
        conversations: Sequence[Conversation],
        info: DataInfo,
        *,
        power: Annotated[float, Field(ge=0, le=10)] = 1.0,
        labels: str | None = None,
    ) -> None:
        super().__init__(conversations, info)
        found = _labels(conversations, info, labels)
        classes, counts = np.unique(np.concatenate(found), return_counts=True)
        of = dict(zip(classes.tolist(), (counts.astype(np.float64) ** -power).tolist(), strict=True))
        means = [np.mean([of[each] for each in y.tolist()]) if len(y) else np.nan for y in found]
        weights = np.where(np.isnan(means), np.nanmean(means), means)  # [conversations]
        self._shares = weights / weights.sum()  # [conversations]

    def epoch(self, number: int, generator: np.random.Generator) -> Sequence[int]:
        """Draw as many conversations as there are."""
        count = len(self.conversations)
        return [int(each) for each in generator.choice(count, size=count, p=self._shares)]


class Curriculum(Sampler):
    """Easy conversations first: the epochs begin with the easiest ones, and the next ones join them later.

    The conversations are sorted by difficulty and cut into buckets of equal size; the first epochs have the first
    bucket, the next ones also the second, and so on, each epoch in random order ("baby steps": Spitkovsky et al.,
    NAACL 2010; Bengio et al., ICML 2009). Yang et al. (AAAI 2022) order the conversations of emotion recognition by
    emotion shifts.

    Options:
        by: the difficulty. ``shifts``: the share of the labelled utterances whose class differs from that of the
            speaker's labelled utterance before, among those that have one before. ``loss``: the loss when it was last
            seen in training (as in self-paced learning, Kumar et al., NIPS 2010); the first epoch has all.
        buckets: number of buckets.
        epochs_per_bucket: number of epochs until the next bucket joins.
        labels: the target whose classes shift; by default the first one.
    """

    def __init__(
        self,
        conversations: Sequence[Conversation],
        info: DataInfo,
        *,
        by: Literal["shifts", "loss"] = "shifts",
        buckets: Count = 5,
        epochs_per_bucket: Count = 1,
        labels: str | None = None,
    ) -> None:
        super().__init__(conversations, info)
        self._by, self._buckets, self._pace = by, buckets, epochs_per_bucket
        self._difficulty = np.full(len(conversations), np.inf)  # [conversations]
        if by == "shifts":
            target = _target(info, labels)
            if info.targets[target].kind != "classes":
                raise InputError.at("labels", f"'{target}' has no classes that shift", "name a target with classes")
            self._difficulty = np.array([_share_of_shifts(c, target) for c in conversations])

    def size(self, number: int) -> int:
        """Return the number of conversations of the buckets of an epoch."""
        since = number - 1 if self._by == "shifts" else number - 2
        buckets = self._buckets if since < 0 else min(self._buckets, 1 + since // self._pace)
        return -(-len(self.conversations) * buckets // self._buckets)

    def epoch(self, number: int, generator: np.random.Generator) -> Sequence[int]:
        """Return the easiest conversations in random order."""
        easiest = np.argsort(self._difficulty, kind="stable")[: self.size(number)]
        return [int(each) for each in generator.permutation(easiest)]

    def observe(self, numbers: Sequence[int], losses: Sequence[float]) -> None:
        """Keep the losses, if they are the difficulty."""
        if self._by == "loss":
            self._difficulty[list(numbers)] = losses

    def state_dict(self) -> dict[str, Any]:
        """Return the losses that were seen."""
        return {"losses": torch.from_numpy(self._difficulty.copy())} if self._by == "loss" else {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Restore the losses that were seen."""
        if self._by == "loss":
            self._difficulty[:] = state["losses"].numpy()


def _target(info: DataInfo, labels: str | None) -> str:
    if labels is not None and labels not in info.targets:
        raise InputError.at("labels", f"there is no target '{labels}'", did_you_mean(labels, info.targets))
    return labels or next(iter(info.targets))


def _labels(conversations: Sequence[Conversation], info: DataInfo, labels: str | None) -> list[NDArray[np.int64]]:
    """Return the classes of each conversation's utterances, or all of their labels, without unlabelled utterances.

    Raises:
        InputError: there is no such target, it consists of numbers, or there are no labels.
    """
    target = _target(info, labels)
    kind = info.targets[target].kind
    if kind == "regression":
        raise InputError.at("labels", f"'{target}' consists of numbers", "name a target with classes or labels")
    hard = [hard_labels(kind, c.labels[target]) for c in conversations]
    known = [y[has_label(y)] for y in hard]
    found: list[NDArray[np.int64]] = [np.nonzero(y)[1] if kind == "multilabel" else y for y in known]
    if not any(len(y) for y in found):
        raise InputError.at("labels", f"no training utterance has a label of '{target}'")
    return found


def _share_of_shifts(conversation: Conversation, target: str) -> float:
    """Return the share of labels that differ from the speaker's label before; 0 if no speaker has two labels."""
    last: dict[str, int] = {}
    shifts = pairs = 0
    labels = hard_labels("classes", conversation.labels[target])
    for speaker, label in zip(conversation.speakers, labels.tolist(), strict=True):
        if label == UNLABELLED:
            continue
        if speaker in last:
            pairs += 1
            shifts += last[speaker] != label
        last[speaker] = label
    return shifts / pairs if pairs else 0.0
