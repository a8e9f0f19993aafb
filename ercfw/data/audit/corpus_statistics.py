"""Compute the statistics of a corpus for each split."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, median
from typing import Any

import numpy as np

from ercfw.contract.conversation import SPLITS, UNLABELLED, Conversation
from ercfw.contract.interfaces import Dataset
from ercfw.contract.targets import Target, TargetKind, hard_labels, has_label
from ercfw.data.label_form import check_label_form, declared_targets

ALL = "all"


@dataclass(frozen=True)
class Shifts:
    """The number of pairs of labelled utterances that were compared, and of those whose emotions differ."""

    compared: int
    changed: int

    @property
    def share(self) -> float:
        """The share of pairs that differ, in percent."""
        return 100 * self.changed / max(1, self.compared)


@dataclass(frozen=True)
class LabelStatistics:
    """The labels of one target.

    Attributes:
        kind: what the target is.
        counts: the number of utterances of each class or label; empty for numbers.
        numbers: the values of each number; empty otherwise.
        unlabelled: the number of utterances without a label.
    """

    kind: TargetKind
    counts: Mapping[str, int]
    numbers: Mapping[str, tuple[float, ...]]
    unlabelled: int

    @property
    def labelled(self) -> int:
        """The number of classes that were given; of several labels at once, each counts."""
        return sum(self.counts.values())


@dataclass(frozen=True)
class SplitStatistics:
    """The statistics of one split, or of all splits together.

    Attributes:
        lengths: the number of utterances of each conversation.
        casts: the number of speakers of each conversation.
        speakers: the number of speaker names; two names are two people only where the corpus names people.
        words: the number of words of each text that is not empty.
        targets: the labels of each target.
        own_shifts: shifts of the first target of classes against the previous utterance of the same speaker.
        shifts: shifts against the previous utterance of anyone.
        seconds: the duration of each utterance whose times are known and possible.
    """

    lengths: tuple[int, ...]
    casts: tuple[int, ...]
    speakers: int
    words: tuple[int, ...]
    targets: Mapping[str, LabelStatistics]
    own_shifts: Shifts
    shifts: Shifts
    seconds: tuple[float, ...]


def statistics_of(dataset: Dataset) -> dict[str, SplitStatistics]:
    """Compute the statistics of each split and of all splits.

    Raises:
        InputError: the labels do not have the form that the dataset declares.
    """
    targets = declared_targets(dataset.targets)
    splits: dict[str, Sequence[Conversation]] = {split: dataset.split(split) for split in SPLITS}
    splits[ALL] = [c for conversations in splits.values() for c in conversations]
    check_label_form(splits[ALL], targets)
    return {name: _statistics(conversations, targets) for name, conversations in splits.items()}


def _statistics(conversations: Sequence[Conversation], targets: Mapping[str, Target]) -> SplitStatistics:
    times = [time for c in conversations for time in c.times if time is not None]
    own, before = Counter[bool](), Counter[bool]()
    of_classes = next((name for name, of in targets.items() if of.kind == "classes"), None)
    if of_classes is not None:
        for conversation in conversations:
            labels = hard_labels("classes", conversation.labels[of_classes])
            _count_shifts(conversation.speakers, labels.tolist(), own, before)
    return SplitStatistics(
        lengths=tuple(map(len, conversations)),
        casts=tuple(len(set(c.speakers)) for c in conversations),
        speakers=len({speaker for c in conversations for speaker in c.speakers}),
        words=tuple(len(text.split()) for c in conversations for text in c.texts if text.strip()),
        targets={name: _labels(conversations, name, of) for name, of in targets.items()},
        own_shifts=Shifts(own.total(), own[True]),
        shifts=Shifts(before.total(), before[True]),
        seconds=tuple(end - start for start, end in times if end > start),
    )


def _labels(conversations: Sequence[Conversation], name: str, target: Target) -> LabelStatistics:
    labels = np.concatenate([c.labels[name] for c in conversations])
    known = has_label(labels)
    if target.kind == "regression":
        numbers = dict(zip(target.names, (tuple(column.tolist()) for column in labels[known].T), strict=True))
        return LabelStatistics(target.kind, {}, numbers, int((~known).sum()))
    hard = hard_labels(target.kind, labels[known])
    counts = hard.sum(0) if target.kind == "multilabel" else np.bincount(hard, minlength=len(target.names))
    named = dict(zip(target.names, counts.tolist(), strict=True))
    return LabelStatistics(target.kind, named, {}, int((~known).sum()))


def _count_shifts(speakers: Sequence[str], labels: Sequence[int], own: Counter[bool], before: Counter[bool]) -> None:
    """Count in both counters the labelled utterances whose emotion differs (True) and those whose does not."""
    last: dict[str, int] = {}
    previous = UNLABELLED
    for speaker, label in zip(speakers, labels, strict=True):
        if label != UNLABELLED:
            if speaker in last:
                own[last[speaker] != label] += 1
            if previous != UNLABELLED:
                before[previous != label] += 1
            last[speaker] = label
        previous = label


def rows_of(statistics: Mapping[str, SplitStatistics]) -> list[dict[str, Any]]:
    """Return the statistics as a table: one row per figure, one column per split."""
    rows: dict[str, dict[str, str]] = {}
    for name, of in statistics.items():
        column = {
            "conversations": f"{len(of.lengths)}",
            "utterances": f"{sum(of.lengths)}",
            "utterances per conversation": _spread(of.lengths),
            "speakers": f"{of.speakers}",
            "speakers per conversation": _spread(of.casts),
            "words per text": _spread(of.words),
            **_label_rows(of.targets, sum(of.lengths)),
            **_shift_rows(of),
            "hours": f"{sum(of.seconds) / 3600:.2f}" if of.seconds else "-",
            "seconds per utterance": _spread(of.seconds),
        }
        for figure, value in column.items():
            rows.setdefault(figure, {})[name] = value
    return [{"figure": figure, **values} for figure, values in rows.items()]


def _label_rows(targets: Mapping[str, LabelStatistics], utterances: int) -> dict[str, str]:
    """Return a row per class, label or number; with several targets, each begins with the name of its target."""
    rows: dict[str, str] = {}
    for target, of in targets.items():
        before = f"{target}: " if len(targets) > 1 else ""
        what = "class" if of.kind == "classes" else "label"
        total = of.labelled if of.kind == "classes" else utterances - of.unlabelled
        rows |= {f"{before}{what} {name}": _share(count, total) for name, count in of.counts.items()}
        rows |= {f"{before}{name}": _spread(values) for name, values in of.numbers.items()}
        rows[f"{before}unlabelled"] = f"{of.unlabelled}"
    return rows


def _shift_rows(of: SplitStatistics) -> dict[str, str]:
    """Return the rows of emotion shifts; without classes there are none."""
    if not any(target.kind == "classes" for target in of.targets.values()):
        return {}
    return {
        "emotion shifts of the same speaker": f"{of.own_shifts.share:.1f} % of {of.own_shifts.compared}",
        "emotion shifts from the previous utterance": f"{of.shifts.share:.1f} % of {of.shifts.compared}",
    }


def _share(count: int, total: int) -> str:
    return f"{count} ({100 * count / max(1, total):.1f} %)"


def _spread(values: Sequence[float]) -> str:
    """Format the mean, median and range of some values."""
    if not values:
        return "-"
    return f"{mean(values):.1f} (median {median(values):.3g}, {min(values):.3g} to {max(values):.3g})"


def as_json(statistics: Mapping[str, SplitStatistics]) -> dict[str, Any]:
    """Return the statistics for programs: counts and means with all digits."""
    return {
        name: {
            "conversations": len(of.lengths),
            "utterances": sum(of.lengths),
            "utterances_a_conversation": _summary(of.lengths),
            "speakers": of.speakers,
            "speakers_a_conversation": _summary(of.casts),
            "words_a_text": _summary(of.words),
            **_record(next(iter(of.targets.values()))),
            "targets": {target: _record(labels) for target, labels in of.targets.items()},
            "own_shifts": {"compared": of.own_shifts.compared, "changed": of.own_shifts.changed},
            "shifts": {"compared": of.shifts.compared, "changed": of.shifts.changed},
            "seconds": {"sum": sum(of.seconds), **_summary(of.seconds)},
        }
        for name, of in statistics.items()
    }


def _record(of: LabelStatistics) -> dict[str, Any]:
    numbers = {name: _summary(values) for name, values in of.numbers.items()}
    return {"classes": dict(of.counts), "unlabelled": of.unlabelled, **({"numbers": numbers} if numbers else {})}


def _summary(values: Sequence[float]) -> dict[str, float]:
    if not values:
        return {}
    return {"mean": mean(values), "median": median(values), "min": min(values), "max": max(values)}
