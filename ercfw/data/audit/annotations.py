"""Check the annotations of a corpus: ids, times, labels, texts, speakers."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import filterfalse, islice, pairwise

from ercfw.contract.conversation import Conversation, Split, UtteranceId
from ercfw.contract.interfaces import Dataset
from ercfw.contract.targets import as_target
from ercfw.data.audit.finding import MAX_NAMED, Finding, Level, first
from ercfw.data.audit.labels import check_labels
from ercfw.data.numeric_classes import describe_numbers, look_like_scores, numbers_of
from ercfw.data.tables.control_characters import CONTROL

LONGEST = 60.0
"""Seconds; a longer utterance has wrong times, or its clip contains more than the utterance."""
LONG_TEXT = 5
"""The number of words from which a repeated text is more than a common phrase."""
MAX_DIGITS = 18
"""The number of digits above which a name is no number."""
LONG_CONVERSATION = 10
"""The number of words from which two conversations are not equal by chance."""
LATER: tuple[Split, ...] = ("dev", "test")
Splits = Mapping[Split, Sequence[Conversation]]


def check_annotations(dataset: Dataset, splits: Splits) -> Iterator[Finding]:
    """Yield all findings about the annotations."""
    targets = {name: as_target(declared) for name, declared in dataset.targets.items()}
    for split, conversations in splits.items():
        yield from _ids(split, conversations)
        yield from _times(split, conversations, dataset.broken)
        for target, of in targets.items():
            yield from check_labels(target, of, split, conversations, _published(dataset, split, target))
        yield from _empty(split, conversations)
        yield from _control_characters(split, conversations)
    yield from _numbers({name: of.names for name, of in targets.items() if of.kind == "classes"})
    yield from _texts(splits)
    yield from _repeated(splits)
    yield from _speakers(splits)


def _ids(split: str, conversations: Sequence[Conversation]) -> Iterator[Finding]:
    """Find gaps and disorder in the numbers that the source uses as ids."""
    gaps, disorder = [], []
    start = min((int(c.utterances[0]) for c in conversations if _is_number(c.utterances[0])), default=0)
    for conversation in conversations:
        if all(map(_is_number, conversation.utterances)):
            numbers = [int(id) for id in conversation.utterances]
            if numbers != sorted(numbers):
                disorder.append(conversation.id)
            elif numbers != list(range(start, start + len(numbers))):
                gaps.append(f"{conversation.id}: {_ranges(numbers)}")
    if disorder:
        yield Finding(
            "doubtful",
            split,
            f"conversations whose utterance ids are not in order: {len(disorder)} ({first(disorder)})",
        )
    if gaps:
        yield Finding("note", split, f"conversations whose utterance ids have gaps: {len(gaps)} ({first(gaps)})")
    names = [re.fullmatch(rf"((?:.*/)?)(\d{{1,{MAX_DIGITS}}})", conversation.id) for conversation in conversations]
    counted = sorted(int(name[2]) for name in names if name)
    if len(counted) == len(names) and len({name[1] for name in names if name}) == 1:
        known = frozenset(counted)
        missing = counted[-1] + 1 - len(known)
        if missing:
            places = ", ".join(map(str, islice(filterfalse(known.__contains__, range(counted[-1])), MAX_NAMED)))
            more = f" and {missing - MAX_NAMED} more" if missing > MAX_NAMED else ""
            yield Finding("note", split, f"conversation numbers that are missing: {missing} ({places}{more})")
    if not disorder and not gaps:
        yield Finding("fine", split, f"utterance ids of {len(conversations)} conversations: no gaps, in order")


def _is_number(id: str) -> bool:
    """Return whether an id is a number; one of hundreds of digits counts nothing, and Python refuses to read it."""
    return id.isdecimal() and len(id) <= MAX_DIGITS


def _ranges(numbers: Sequence[int]) -> str:
    """Format sorted numbers as ranges, such as ``0-5 8``."""
    starts = [0, *(place for place, (a, b) in enumerate(pairwise(numbers), 1) if b != a + 1), len(numbers)]
    parts = [(numbers[a], numbers[b - 1]) for a, b in pairwise(starts)]
    return " ".join(str(a) if a == b else f"{a}-{b}" for a, b in parts)


def _times(split: str, conversations: Sequence[Conversation], broken: frozenset[UtteranceId]) -> Iterator[Finding]:
    """Find impossible times, and utterances that begin before the previous one begins or ends."""
    kinds: dict[tuple[Level, str], list[str]] = defaultdict(list)
    backwards: list[str] = []
    crossing: list[str] = []
    timed = 0
    for conversation in conversations:
        before = None
        for id, time in zip(conversation.ids, conversation.times, strict=False):
            if time is None:
                kinds["doubtful", "without readable times"].append("/".join(id))
                continue
            timed += 1
            length = time[1] - time[0]
            if length <= 0 or length > LONGEST:
                what = "that end at or before their start" if length <= 0 else f"longer than {LONGEST:g} s"
                kinds["known" if id in broken else "doubtful", what].append(f"{'/'.join(id)}: {length:.1f} s")
            if before is not None and time[0] < before[1]:
                (backwards if time[0] < before[0] else crossing).append("/".join(id))
            before = time
    for (level, what), places in kinds.items():
        yield Finding(level, split, f"utterances {what}: {len(places)} ({first(places)})")
    if backwards:
        what = f"utterances that begin before the previous one: {len(backwards)} of {timed} ({first(backwards)})"
        yield Finding("note", split, what)
    elif timed:
        yield Finding("fine", split, f"times of {timed} utterances: in order")
    if crossing:
        what = f"utterances that begin before the previous one ends: {len(crossing)} of {timed} ({first(crossing)})"
        yield Finding("note", split, what)


def _published(dataset: Dataset, split: Split, target: str) -> tuple[int, ...] | None:
    """Return the published number of utterances of each class, which are known of real corpora and one target."""
    is_first = target == next(iter(dataset.targets))
    return dataset.published_counts.get(split) if is_first and not dataset.provenance.simulated else None


def _numbers(targets: Mapping[str, Sequence[str]]) -> Iterator[Finding]:
    """Find classes whose names are numbers."""
    for target, classes in targets.items():
        if numbers_of(classes):
            level: Level = "doubtful" if look_like_scores(classes) else "note"
            yield Finding(level, target, describe_numbers(classes))


def _empty(split: str, conversations: Sequence[Conversation]) -> Iterator[Finding]:
    """Find empty texts, empty speaker names, and conversations of one utterance."""
    for name in ("texts", "speakers"):
        values = [(id, value) for c in conversations for id, value in zip(c.ids, getattr(c, name), strict=True)]
        empty = [id for id, value in values if not value.strip()]
        if empty:
            yield Finding(
                "doubtful", split, f"utterances with empty {name}: {len(empty)} of {len(values)} ({first(empty)})"
            )
    alone = sum(len(c) == 1 for c in conversations)
    if alone:
        yield Finding("note", split, f"conversations of one utterance: {alone} of {len(conversations)}")


def _control_characters(split: str, conversations: Sequence[Conversation]) -> Iterator[Finding]:
    """Find texts that a dataset did not read with ``ercfw.read_text``, which leaves no control character in them."""
    found = [id for c in conversations for id, text in zip(c.ids, c.texts, strict=True) if CONTROL.search(text)]
    if found:
        what = f"texts with invisible control characters, which tokenizers misread: {len(found)} ({first(found)})"
        yield Finding("doubtful", split, what)


def _texts(splits: Splits) -> Iterator[Finding]:
    """Find texts of dev and test that also occur in train: a model may have memorised them."""
    train = {_bare(text) for c in splits["train"] for text in c.texts} - {""}
    for split in LATER:
        texts = [bare for c in splits[split] for text in c.texts if (bare := _bare(text))]
        if not texts or not train:
            continue
        repeated = [text for text in texts if text in train]
        long = sum(len(text.split()) >= LONG_TEXT for text in repeated)
        level: Level = "note" if repeated else "fine"
        share = 100 * len(repeated) / len(texts)
        counted = f"{len(repeated)} of {len(texts)} ({share:.1f} %); {long} of them have {LONG_TEXT} words or more"
        yield Finding(level, split, f"texts that also occur in train: {counted}")


def _bare(text: str) -> str:
    return " ".join(re.sub(r"[^\w\s]", "", text.lower()).split())


def _repeated(splits: Splits) -> Iterator[Finding]:
    """Find conversations with the same texts; in two splits they leak test data."""
    same: dict[tuple[str, ...], list[tuple[str, str]]] = defaultdict(list)
    for split, conversations in splits.items():
        for conversation in conversations:
            bare = tuple(map(_bare, conversation.texts))
            if sum(len(text.split()) for text in bare) >= LONG_CONVERSATION:
                same[bare].append((split, conversation.id))
    across = [" = ".join(id for _, id in found) for found in same.values() if len({split for split, _ in found}) > 1]
    inside = [" = ".join(id for _, id in found) for found in same.values() if len(found) > 1]
    inside = [names for names in inside if names not in across]
    if across:
        yield Finding(
            "wrong", "all splits", f"conversations that occur in several splits: {len(across)} ({first(across)})"
        )
    if inside:
        yield Finding(
            "doubtful", "all splits", f"conversations that occur twice in a split: {len(inside)} ({first(inside)})"
        )
    if not across and not inside:
        yield Finding("fine", "all splits", f"no conversation of {LONG_CONVERSATION} words or more occurs twice")


def _speakers(splits: Splits) -> Iterator[Finding]:
    """Count the utterances of dev and test whose speakers do not occur in train."""
    known = {speaker for c in splits["train"] for speaker in c.speakers}
    for split in LATER:
        counts = Counter(speaker in known for c in splits[split] for speaker in c.speakers)
        share = 100 * counts[False] / max(1, counts.total())
        yield Finding("note", split, f"utterances by speakers who are not in train: {counts[False]} ({share:.1f} %)")
