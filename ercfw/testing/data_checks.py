"""The checks of every dataset, extractor and file format.

Each takes a ``DataSubject``, raises ``CheckFailed`` if the part breaks the promise, and ``CheckSkipped`` if the promise
does not apply to it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ercfw.contract.conversation import SPLITS, Clip, Conversation
from ercfw.contract.file_format import FileFormat
from ercfw.contract.interfaces import Broken, Dataset, Extractor
from ercfw.contract.optional_parts import SupportsSource
from ercfw.contract.published_features import Published
from ercfw.data.extraction.declared_kind import as_declared
from ercfw.data.label_form import declared_targets, wrong_form
from ercfw.errors import InputError
from ercfw.testing.documented import check_documented
from ercfw.testing.fixtures import CLASSES, DIMS, TARGET, make_conversations
from ercfw.testing.outcome import CheckFailed, CheckSkipped

READS = ("text", "audio", "visual")
"""What an extractor may read."""


@dataclass(frozen=True)
class DataSubject:
    """The class of a part, and how to make one.

    Attributes:
        factory: the class.
        options: keyword arguments of the constructor.
        clip: a video or sound file, for extractors that read clips.
    """

    factory: Any
    options: Mapping[str, Any] = field(default_factory=dict)
    clip: Path | None = None

    def make(self) -> Any:
        """Make one with these options."""
        return self.factory(**self.options)


def options_are_documented(subject: DataSubject) -> None:
    """Check that each option has a type that a recipe can hold, and is named in the docstring of the class."""
    check_documented(subject.factory)


# Datasets


def splits_are_apart(subject: DataSubject) -> None:
    """Check that no conversation is in two splits or twice in one, and that none is empty."""
    dataset: Dataset = subject.make()
    seen: dict[str, str] = {}
    for split in SPLITS:
        for conversation in dataset.split(split):
            if conversation.id in seen:
                raise CheckFailed(f"conversation '{conversation.id}' is in {seen[conversation.id]} and in {split}")
            seen[conversation.id] = split
            if not len(conversation) or len(set(conversation.utterances)) != len(conversation):
                raise CheckFailed(f"conversation '{conversation.id}' is empty, or an utterance id occurs twice in it")
            if conversation.split != split:
                what = f"conversation '{conversation.id}' is in {split}, but its split is '{conversation.split}'"
                raise CheckFailed(what)


def labels_are_classes(subject: DataSubject) -> None:
    """Check that each utterance has one label per target in the target's form, or none, one speaker, text and cues."""
    dataset: Dataset = subject.make()
    targets = declared_targets(dataset.targets)
    for conversation in (c for split in SPLITS for c in dataset.split(split)):
        where = f"conversation '{conversation.id}'"
        if set(conversation.labels) != set(dataset.targets):
            raise CheckFailed(
                f"{where} has labels of {sorted(conversation.labels)}, but the targets are {sorted(dataset.targets)}"
            )
        for target, labels in conversation.labels.items():
            if (wrong := wrong_form(targets[target], labels, len(conversation))) is not None:
                raise CheckFailed(f"{where}: labels of '{target}' {wrong[0]}; they must be {wrong[1]}")
        if not len(conversation.speakers) == len(conversation.texts) == len(conversation):
            raise CheckFailed(f"{where} has more or fewer speakers or texts than utterances")
        if len(conversation.cues) not in (0, len(conversation)):
            raise CheckFailed(f"{where} has cues of {len(conversation.cues)} of its {len(conversation)} utterances")


def streams_are_as_declared(subject: DataSubject) -> None:
    """Check that each declared modality has a row for every utterance, all of one width."""
    dataset: Dataset = subject.make()
    conversations = [c for split in SPLITS for c in dataset.split(split)]
    if not dataset.modalities:
        raise CheckSkipped("it declares no modalities")
    for name in dataset.modalities:
        if name in conversations[0].streams:
            widths = {c.streams[name].values.shape[2:] or c.streams[name].values.shape[1:] for c in conversations}
            rows = all(len(c.streams[name].values) == len(c.streams[name].present) == len(c) for c in conversations)
            if len(widths) != 1 or not rows:
                raise CheckFailed(f"'{name}' has rows of different widths, or more or fewer rows than utterances")
        else:
            try:
                dataset.features(name).select([id for c in conversations for id in c.ids])
            except InputError as error:
                raise CheckFailed(f"'{name}' is declared, but cannot be read: {error}") from error


def same_dataset_twice(subject: DataSubject) -> None:
    """Check that a dataset made twice has the same conversations in the same order."""
    one, other = subject.make(), subject.make()
    for split in SPLITS:
        for a, b in zip(one.split(split), other.split(split), strict=True):
            same = (a.id, a.utterances, a.speakers, a.texts) == (b.id, b.utterances, b.speakers, b.texts)
            if not same or any(not np.array_equal(a.labels[t], b.labels[t], equal_nan=True) for t in a.labels):
                raise CheckFailed(f"conversation '{a.id}' of {split} differs when the dataset is made a second time")


# Extractors


def raw_conversation(subject: DataSubject, extractor: Extractor) -> Conversation:
    """Make a conversation of three utterances, the last without text or clip.

    Raises:
        CheckFailed: the extractor does not declare what it reads.
        CheckSkipped: the extractor reads clips, and there is none.
    """
    made = make_conversations({}, sizes=(3,))[0]
    reads = getattr(extractor, "reads", None)
    if reads not in READS:
        raise CheckFailed(f"it must declare what it reads: reads = one of {', '.join(map(repr, READS))}")
    if reads == "text":
        return replace(made, texts=("Is it you?", "No, it is me.", ""))
    if subject.clip is None:
        raise CheckSkipped(f"it reads {reads}: pass a clip with conformance(..., clip=path) or --clip FILE")
    return replace(made, clips=(Clip(subject.clip), Clip(subject.clip), None))


def gives_what_it_promises(subject: DataSubject) -> None:
    """Check that each utterance gets an array of the declared kind and width, or None if there is nothing to read."""
    extractor: Extractor = subject.make()
    given = extractor.extract(raw_conversation(subject, extractor))
    if len(given) != 3:
        raise CheckFailed(f"it returns {len(given)} arrays for 3 utterances")
    for place, array in enumerate(given[:2]):
        if isinstance(array, Broken):
            raise CheckFailed(f"it cannot read utterance {place}: {array.why}")
        if array is not None and not as_declared(array, extractor):
            shape = (
                f"{array.dtype} of shape {list(array.shape)}" if isinstance(array, np.ndarray) else type(array).__name__
            )
            raise CheckFailed(f"it returns {shape}, but declares {extractor.kind} of {extractor.dim}")
    if given[2] is not None:
        raise CheckFailed("it returns an array where there is nothing to read (return None: the utterance is absent)")


def same_features_twice(subject: DataSubject) -> None:
    """Check that an extractor made twice has the same fingerprint and returns the same values."""
    one, other = subject.make(), subject.make()
    if one.fingerprint != other.fingerprint:
        raise CheckFailed("its fingerprint differs when it is made a second time, so the cache would never be used")
    conversation = raw_conversation(subject, one)
    for a, b in zip(one.extract(conversation), other.extract(conversation), strict=True):
        same = np.array_equal(a, b) if isinstance(a, np.ndarray) and isinstance(b, np.ndarray) else type(a) is type(b)
        if not same:
            raise CheckFailed("it returns other values for the same utterance")


def selects_from_its_source(subject: DataSubject) -> None:
    """Check that an extractor with a source returns the same when it selects from the features of the source."""
    extractor: Extractor = subject.make()
    if not isinstance(extractor, SupportsSource):
        return
    conversation = raw_conversation(subject, extractor)
    for own, features in zip(extractor.extract(conversation), extractor.source().extract(conversation), strict=True):
        selected = extractor.select(features) if isinstance(features, np.ndarray) else features
        if isinstance(own, np.ndarray) and isinstance(selected, np.ndarray):
            if not np.allclose(own, selected, atol=1e-5):
                raise CheckFailed("it returns other values than it selects from its source")
        elif type(own) is not type(selected):
            raise CheckFailed("it and its source do not leave out the same utterances")


# Formats


def made_published() -> Published:
    """Make three conversations of no known corpus, as files of other projects hold them."""
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
    """Check that a format reads back what it wrote: labels, order and every value."""
    file_format: FileFormat = subject.make()
    if type(file_format).write is FileFormat.write:
        raise CheckSkipped("it cannot write")
    draw = np.random.default_rng(1)
    published = made_published()
    slots = {slot: {k: draw.normal(size=(len(v), 3)).astype(np.float32) for k, v in published.labels.items()}
             for slot in file_format.slots}  # fmt: skip
    published = replace(published, streams=slots)
    with TemporaryDirectory() as folder:
        file_format.write(published, Path(folder))
        found = file_format.read(Path(folder))
    if {k: list(v) for k, v in found.labels.items()} != {k: list(v) for k, v in published.labels.items()}:
        raise CheckFailed("it reads back other labels than it wrote")
    both = [*published.lists["train"], *published.lists["dev"]]
    if [*found.lists["train"], *found.lists.get("dev", ())] != both or list(found.lists["test"]) != ["c"]:
        raise CheckFailed("it reads back the lists of train, dev and test in another order than it wrote")
    for slot, values in slots.items():
        if any(not np.array_equal(np.asarray(found.streams[slot][key]), array) for key, array in values.items()):
            raise CheckFailed(f"it reads back other values of '{slot}' than it wrote")


def other_files_are_refused(subject: DataSubject) -> None:
    """Check that a folder without files of this format, a missing one and a damaged file each raise InputError."""
    file_format: FileFormat = subject.make()
    with TemporaryDirectory() as folder:
        damaged = Path(folder) / "damaged.pkl"
        damaged.write_bytes(b"damaged")
        for path in (Path(folder), damaged, Path(folder) / "no-such"):
            try:
                file_format.read(path)
            except InputError:
                continue
            except Exception as error:
                what = f"files of another format raise {type(error).__name__}, not InputError"
                raise CheckFailed(what) from error
            raise CheckFailed("it accepts files that are not of its format")


DATASET_CHECKS = (
    options_are_documented,
    splits_are_apart,
    labels_are_classes,
    streams_are_as_declared,
    same_dataset_twice,
)
EXTRACTOR_CHECKS = (
    options_are_documented,
    gives_what_it_promises,
    same_features_twice,
    selects_from_its_source,
)
FORMAT_CHECKS: Sequence[Callable[[DataSubject], None]] = (
    options_are_documented,
    goes_out_and_in,
    other_files_are_refused,
)
