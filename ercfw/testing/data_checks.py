"""What every dataset, extractor, metric and layout promises."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ercfw.contract.conversation import UNLABELLED, Clip, Conversation, Split
from ercfw.contract.interfaces import Broken, Dataset, Extractor, FileLayout
from ercfw.data.extraction.declared_kind import as_declared
from ercfw.errors import InputError
from ercfw.exchange.published import Published
from ercfw.testing.documented import check_documented
from ercfw.testing.material import CLASSES, DIMS, TARGET, make_conversations
from ercfw.testing.outcome import NotAsked, NotMet

SPLITS: tuple[Split, ...] = ("train", "dev", "test")


@dataclass(frozen=True)
class DataSubject:
    """A class, or a metric's function, and how it is to be made.

    Attributes:
        made_by: the class.
        options: for its constructor.
        clip: a file for extractors that read clips.
    """

    made_by: Any
    options: Mapping[str, Any] = field(default_factory=dict)
    clip: Path | None = None

    def make(self) -> Any:
        """One of it."""
        return self.made_by(**self.options)


def options_are_documented(subject: DataSubject) -> None:
    """Every option has a type that a recipe can hold, and is named in the docstring of its class."""
    check_documented(subject.made_by)


# Datasets


def splits_are_apart(subject: DataSubject) -> None:
    """No conversation is in two splits or twice in one, and none is empty."""
    dataset: Dataset = subject.make()
    seen: dict[str, str] = {}
    for split in SPLITS:
        for conversation in dataset.split(split):
            if conversation.id in seen:
                raise NotMet(f"conversation '{conversation.id}' is in {seen[conversation.id]} and in {split}")
            seen[conversation.id] = split
            if not len(conversation) or len(set(conversation.utterances)) != len(conversation):
                raise NotMet(f"conversation '{conversation.id}' is empty, or has an utterance twice")
            if conversation.split != split:
                raise NotMet(f"conversation '{conversation.id}' of {split} says that it is of {conversation.split}")


def labels_are_classes(subject: DataSubject) -> None:
    """A label an utterance and target, a class's number or -100; as many speakers and texts as utterances."""
    dataset: Dataset = subject.make()
    for conversation in (c for split in SPLITS for c in dataset.split(split)):
        where = f"conversation '{conversation.id}'"
        if set(conversation.labels) != set(dataset.targets):
            raise NotMet(f"{where} has labels of {sorted(conversation.labels)}, not of {sorted(dataset.targets)}")
        for target, labels in conversation.labels.items():
            known = (labels >= 0) & (labels < len(dataset.targets[target]))
            if (
                labels.dtype != np.int64
                or len(labels) != len(conversation)
                or not (known | (labels == UNLABELLED)).all()
            ):
                raise NotMet(f"{where}: labels of '{target}' are not [U] int64 of classes or {UNLABELLED}")
        if not len(conversation.speakers) == len(conversation.texts) == len(conversation):
            raise NotMet(f"{where} has other numbers of speakers or texts than of utterances")


def streams_are_as_declared(subject: DataSubject) -> None:
    """Each modality has a row for every utterance, all of one width."""
    dataset: Dataset = subject.make()
    conversations = [c for split in SPLITS for c in dataset.split(split)]
    if not dataset.modalities:
        raise NotAsked("it brings no streams itself")
    for name in dataset.modalities:
        if name in conversations[0].streams:
            widths = {c.streams[name].values.shape[2:] or c.streams[name].values.shape[1:] for c in conversations}
            rows = all(len(c.streams[name].values) == len(c.streams[name].present) == len(c) for c in conversations)
            if len(widths) != 1 or not rows:
                raise NotMet(f"'{name}' has rows of different widths, or other numbers of rows than of utterances")
        else:
            try:
                dataset.features(name).select([id for c in conversations for id in c.ids])
            except InputError as error:
                raise NotMet(f"'{name}' is declared, but {error}") from error


def same_dataset_twice(subject: DataSubject) -> None:
    """Made twice it is the same, in the same order: no draw without a seed, no set's order."""
    one, other = subject.make(), subject.make()
    for split in SPLITS:
        for a, b in zip(one.split(split), other.split(split), strict=True):
            same = (a.id, a.utterances, a.speakers, a.texts) == (b.id, b.utterances, b.speakers, b.texts)
            if not same or any(not np.array_equal(a.labels[t], b.labels[t]) for t in a.labels):
                raise NotMet(f"conversation '{a.id}' of {split} differs when the dataset is made again")


# Extractors


def raw_conversation(subject: DataSubject, extractor: Extractor) -> Conversation:
    """Three utterances, the last with nothing to read."""
    made = make_conversations({}, sizes=(3,))[0]
    if extractor.reads == "text":
        return replace(made, texts=("Is it you?", "No, it is me.", ""))
    if subject.clip is None:
        raise NotAsked("it reads clips: hand it one (conformance(..., clip=path), or --clip)")
    return replace(made, clips=(Clip(subject.clip), Clip(subject.clip), None))


def gives_what_it_promises(subject: DataSubject) -> None:
    """An array an utterance of the kind and width that it declares, and None where there is nothing to read."""
    extractor: Extractor = subject.make()
    given = extractor.extract(raw_conversation(subject, extractor))
    if len(given) != 3:
        raise NotMet(f"it gives {len(given)} arrays for 3 utterances")
    for place, array in enumerate(given[:2]):
        if isinstance(array, Broken):
            raise NotMet(f"it cannot read utterance {place}: {array.why}")
        if array is not None and not as_declared(array, extractor):
            shape = (
                f"{array.dtype} of shape {list(array.shape)}" if isinstance(array, np.ndarray) else type(array).__name__
            )
            raise NotMet(f"it gives {shape}, but promises {extractor.kind} of {extractor.dim}")
    if given[2] is not None:
        raise NotMet("it gives an array where there is nothing to read; None says absent")


def same_features_twice(subject: DataSubject) -> None:
    """Made twice it has one fingerprint, and gives the same values."""
    one, other = subject.make(), subject.make()
    if one.fingerprint != other.fingerprint:
        raise NotMet("its fingerprint differs when it is made again: the cache would never be used")
    conversation = raw_conversation(subject, one)
    for a, b in zip(one.extract(conversation), other.extract(conversation), strict=True):
        same = np.array_equal(a, b) if isinstance(a, np.ndarray) and isinstance(b, np.ndarray) else type(a) is type(b)
        if not same:
            raise NotMet("it gives other values for the same utterance")


# Metrics


def made_answers(rows: int = 40) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Labels, and probabilities that are right more often than not."""
    draw = np.random.default_rng(0)
    true = draw.integers(len(CLASSES), size=rows)
    scores = draw.random((rows, len(CLASSES))) + np.eye(len(CLASSES))[true] * 0.7
    return true, (scores / scores.sum(1, keepdims=True)).astype(np.float32)


def gives_a_score(subject: DataSubject) -> None:
    """One finite float, or one a class; the same in any order of utterances; its inputs left as they were."""
    true, probabilities = made_answers()
    before = true.copy(), probabilities.copy()
    score = np.asarray(subject.made_by(true, probabilities, CLASSES))
    if score.shape not in ((), (len(CLASSES),)) or not np.isfinite(score).all():
        raise NotMet(f"it gives values of shape {list(score.shape)}; a finite float, or [C], is needed")
    if not (np.array_equal(true, before[0]) and np.array_equal(probabilities, before[1])):
        raise NotMet("it changes what it is handed in place")
    order = np.random.default_rng(1).permutation(len(true))
    if not np.allclose(score, subject.made_by(true[order], probabilities[order], CLASSES)):
        raise NotMet("the order of the utterances changes the score")


def unseen_classes(subject: DataSubject) -> None:
    """A class that no utterance has is no error."""
    true, probabilities = made_answers()
    if not np.isfinite(np.asarray(subject.made_by(true % 2, probabilities, CLASSES))).all():
        raise NotMet("it gives NaN or infinity where a class has no utterance")


# Layouts


def made_published() -> Published:
    """Three conversations of a corpus of nobody's, as files would hold them."""
    conversations = make_conversations(dict.fromkeys(DIMS, "vector"), absent=0, sizes=(3, 2, 2))
    names = ["a", "b", "c"]
    draw = np.random.default_rng(0)

    def of(read: Callable[[Conversation], Any]) -> dict[int | str, Any]:
        return {name: read(c) for name, c in zip(names, conversations, strict=True)}

    return Published(
        paths=(),
        corpus=None,
        classes=CLASSES,
        lists={"train": ["a"], "dev": ["b"], "test": ["c"]},
        utterances=of(lambda c: c.utterances),
        speakers=of(lambda c: c.speakers),
        labels=of(lambda c: np.maximum(c.labels[TARGET], 0).tolist()),
        sentences=of(lambda c: c.texts),
        streams={slot: of(lambda c: draw.normal(size=(len(c), 4)).astype(np.float32)) for slot in DIMS},
    )


def goes_out_and_in(subject: DataSubject) -> None:
    """What it writes it reads back: labels, order and every value."""
    layout: FileLayout = subject.make()
    if type(layout).write is FileLayout.write:
        raise NotAsked("it is read only")
    draw = np.random.default_rng(1)
    published = made_published()
    slots = {slot: {k: draw.normal(size=(len(v), 3)).astype(np.float32) for k, v in published.labels.items()}
             for slot in layout.slots}  # fmt: skip
    published = replace(published, streams=slots)
    with TemporaryDirectory() as folder:
        layout.write(published, Path(folder))
        found = layout.read(Path(folder))
    if {k: list(v) for k, v in found.labels.items()} != {k: list(v) for k, v in published.labels.items()}:
        raise NotMet("labels that were written are read back as others")
    both = [*published.lists["train"], *published.lists["dev"]]
    if [*found.lists["train"], *found.lists.get("dev", ())] != both or list(found.lists["test"]) != ["c"]:
        raise NotMet("the lists of train, dev and test are read back in another order")
    for slot, values in slots.items():
        if any(not np.array_equal(np.asarray(found.streams[slot][key]), array) for key, array in values.items()):
            raise NotMet(f"values of '{slot}' are read back as others")


def other_files_are_refused(subject: DataSubject) -> None:
    """A folder without its files, and a file of rubbish, are an InputError."""
    layout: FileLayout = subject.make()
    with TemporaryDirectory() as folder:
        rubbish = Path(folder) / "rubbish.pkl"
        rubbish.write_bytes(b"rubbish")
        for path in (Path(folder), rubbish, Path(folder) / "no-such"):
            try:
                layout.read(path)
            except InputError:
                continue
            except Exception as error:
                raise NotMet(f"what is none of its files raises {type(error).__name__}, not an InputError") from error
            raise NotMet("it reads files that are none of its own")


DATASET_CHECKS = (
    options_are_documented,
    splits_are_apart,
    labels_are_classes,
    streams_are_as_declared,
    same_dataset_twice,
)
EXTRACTOR_CHECKS = (options_are_documented, gives_what_it_promises, same_features_twice)
METRIC_CHECKS = (gives_a_score, unseen_classes)
LAYOUT_CHECKS: Sequence[Callable[[DataSubject], None]] = (
    options_are_documented,
    goes_out_and_in,
    other_files_are_refused,
)
