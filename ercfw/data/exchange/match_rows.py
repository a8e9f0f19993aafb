"""Find which utterance of a corpus each row of a public file belongs to, and verify it by the labels."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence, Sized
from dataclasses import dataclass, replace
from itertools import pairwise

from ercfw.contract.conversation import Conversation, Split, UtteranceId
from ercfw.contract.interfaces import Dataset
from ercfw.contract.published_features import Key, Published
from ercfw.data.exchange.compare_labels import UNPROVEN, compare_labels
from ercfw.data.exchange.keys import splits_of
from ercfw.errors import InputError

MIN_EQUAL_TEXTS = 0.9
"""The share of equal texts below which a warning is given; only letters and digits are compared."""
MAX_OTHER_SPEAKERS = 0.1
"""The share of conversations with other speakers above which a warning is given."""


@dataclass(frozen=True)
class RowMatch:
    """The utterances of a public file, identified in the corpus.

    Attributes:
        ids: the utterance of each row, by conversation.
        agreeing: the number of labels that were compared, all of which agree; 0 if the file has no labels.
        warnings: warnings about the file.
    """

    ids: Mapping[Key, tuple[UtteranceId, ...]]
    agreeing: int
    warnings: tuple[str, ...]


def match_rows(published: Published, dataset: Dataset) -> RowMatch:
    """Find every conversation and utterance of the file in the corpus, and compare all labels.

    Conversations are found by name, or by their order in the lists where the file numbers them. A file may hold some
    of the splits alone: those with an empty list, or without any value, are not expected in it.

    Raises:
        InputError: a conversation or utterance is missing or unknown, or a label differs; the message names the first.
    """
    if not published.lists:
        return RowMatch({}, 0, () if published.named else (UNPROVEN,))
    splits = splits_of(dataset)
    published = replace(published, lists=_held_lists(published))
    by_key = _conversations(published, splits)
    known: dict[str, list[str]] = {}
    for conversation, utterance in dataset.rows:
        known.setdefault(conversation, []).append(utterance)
    ids = {key: _utterances(published, key, found, known[found.id]) for key, found in by_key.items()}
    agreeing, not_compared = compare_labels(published, dataset, by_key, ids)
    others = (*_compare_texts(published, by_key, ids), *_compare_speakers(published, by_key, ids))
    return RowMatch(ids, agreeing, (*not_compared, *others))


def _where(published: Published) -> str:
    return str(published.paths[0])


def _held_lists(published: Published) -> dict[str, Sequence[Key]]:
    """Return the lists; those of splits of which the file holds nothing else are empty."""
    tables = [published.utterances, published.labels, published.sentences, *_streams(published).values()]
    held = {key for table in tables for key in table}
    return {name: keys if held.intersection(keys) else () for name, keys in published.lists.items()}


def _streams(published: Published) -> dict[str, Mapping[Key, Sized]]:
    """Return what each stream holds of each conversation: one row per utterance, or one length."""
    return {**published.streams, **{name: of.lengths for name, of in published.frames.items()}}


def _conversations(published: Published, splits: Mapping[Split, Sequence[Conversation]]) -> dict[Key, Conversation]:
    """Find the conversation of the corpus for each key of the file."""
    _check_lists(published)
    names = {c.id for conversations in splits.values() for c in conversations}
    keys = [key for listed in published.lists.values() for key in listed]
    if any(key in names for key in keys):
        return _by_name(published, splits)
    if not all(isinstance(key, int) for key in keys):
        raise InputError.at(
            _where(published),
            f"conversation '{keys[0]}' is not in this corpus",
            "check that the files belong to this corpus",
        )
    return _by_order(published, splits)


def _check_lists(published: Published) -> None:
    """Check that every conversation is once in the lists and in every table; a stream may lack whole lists."""
    where = _where(published)
    if not any(published.lists.values()):
        raise InputError.at(where, "its lists name no conversation")
    twice = [
        key for key, times in Counter(k for listed in published.lists.values() for k in listed).items() if times > 1
    ]
    if twice:
        raise InputError.at(where, f"its lists name conversation {twice[0]} more than once")
    listed = {key for keys in published.lists.values() for key in keys}
    tables: dict[str, Mapping[Key, object]] = {
        "utterance ids": published.utterances,
        "labels": published.labels,
        "speakers": published.speakers,
        "sentences": published.sentences,
        **{f"'{name}'": values for name, values in _streams(published).items()},
    }
    for name, table in tables.items():
        missing = listed - set(table) if table else set()
        for keys in published.lists.values():
            if name.startswith("'") and missing.issuperset(keys):
                missing -= set(keys)
        if missing:
            what = f"{name}: conversation {min(missing, key=str)} is missing ({len(missing)} in all)"
            raise InputError.at(where, what)


def _held_splits(published: Published, splits: Mapping[Split, Sequence[Conversation]]) -> dict[str, list[Conversation]]:
    """Return the conversations that each list of the file must name.

    Without a list of dev, dev is a part of train, unless the list of train is as long as train alone.
    """
    expected = {"train": list(splits["train"]), "dev": list(splits["dev"]), "test": list(splits["test"])}
    if "dev" not in published.lists and len(published.lists.get("train", ())) != len(splits["train"]):
        expected["train"] += expected.pop("dev")
    return {name: conversations for name, conversations in expected.items() if published.lists.get(name)}


def _by_name(published: Published, splits: Mapping[Split, Sequence[Conversation]]) -> dict[Key, Conversation]:
    where = _where(published)
    named = {c.id: c for conversations in splits.values() for c in conversations}
    found: dict[Key, Conversation] = {}
    for split, keys in published.lists.items():
        for key in keys:
            if key not in named:
                raise InputError.at(
                    where, f"conversation '{key}' is not in this corpus", "check that the files belong to this corpus"
                )
            found[key] = named[str(key)]
            if (found[key].split == "test") != (split == "test"):
                what = f"conversation '{key}' is in its {split} list, but in {found[key].split} of the corpus"
                raise InputError.at(where, what)
    expected = _held_splits(published, splits)
    missing = {c.id for conversations in expected.values() for c in conversations} - {c.id for c in found.values()}
    if missing:
        what = f"lacks {len(missing)} conversations of the corpus; the first is '{min(missing)}'"
        raise InputError.at(where, what)
    return found


def _by_order(published: Published, splits: Mapping[Split, Sequence[Conversation]]) -> dict[Key, Conversation]:
    where = _where(published)
    found: dict[Key, Conversation] = {}
    for name, conversations in _held_splits(published, splits).items():
        keys = published.lists[name]
        if len(keys) != len(conversations):
            what = f"its {name} list has {len(keys)} conversations, but the corpus has {len(conversations)}"
            raise InputError.at(where, what, "check that the files belong to this corpus and have its splits")
        for place, (before, after) in enumerate(pairwise(keys), 1):
            if isinstance(before, int) and isinstance(after, int) and after < before:
                what = f"its {name} list is out of order: {after} follows {before}, at place {place + 1}"
                raise InputError.at(where, what, "numbered conversations are identified by their order")
        found.update(zip(keys, conversations, strict=True))
    return found


def _utterances(published: Published, key: Key, found: Conversation, known: Sequence[str]) -> tuple[UtteranceId, ...]:
    """Return the utterances of one conversation: by their ids if the file has them, otherwise by their order."""
    where = f"{_where(published)}: conversation {key} ({found.id})"
    given = published.utterances.get(key)
    if given is None:
        lengths = {len(table[key]) for table in (published.labels, *_streams(published).values()) if table}
        wrong = lengths - {len(found)}
        if wrong:
            raise InputError.at(where, f"has {wrong.pop()} utterances, but {len(found)} in the corpus")
        return found.ids
    names = [_name(id, known) for id in given]
    for id, name in zip(given, names, strict=True):
        if name is None:
            raise InputError.at(where, f"has an utterance '{id}' that is not in the corpus")
    utterances = [name for name in names if name is not None]
    twice = [name for name, times in Counter(utterances).items() if times > 1]
    missing = [name for name in found.utterances if name not in set(utterances)]
    if twice:
        raise InputError.at(where, f"has utterance '{twice[0]}' more than once")
    if missing:
        raise InputError.at(where, f"lacks {len(missing)} utterances of the corpus; the first is '{missing[0]}'")
    place = {name: at for at, name in enumerate(known)}
    for before, after in pairwise(utterances):
        if place[after] < place[before]:
            raise InputError.at(where, f"utterance '{after}' follows '{before}', but comes first in the corpus")
    return tuple((found.id, utterance) for utterance in utterances)


def _name(id: object, known: Sequence[str]) -> str | None:
    """Return the name of an utterance in the corpus: the same, or the number after ``utt`` (``dia12_utt3``)."""
    text = str(id)
    numbered = re.search(r"utt_?(\d+)$", text)
    return text if text in known else numbered[1] if numbered and numbered[1] in known else None


def _compare_texts(
    published: Published, by_key: Mapping[Key, Conversation], ids: Mapping[Key, tuple[UtteranceId, ...]]
) -> list[str]:
    """Warn about texts that differ; that is no error, because many files damage their texts."""
    equal = compared = 0
    for key, sentences in published.sentences.items():
        texts = dict(zip(by_key[key].utterances, by_key[key].texts, strict=True)) if key in by_key else {}
        for (_, utterance), sentence in zip(ids.get(key, ()), sentences, strict=False):
            if _bare(texts.get(utterance, "")):
                compared += 1
                equal += _bare(texts[utterance]) == _bare(sentence)
    if compared and equal < MIN_EQUAL_TEXTS * compared:
        return [f"only {equal} of {compared} texts are those of the corpus; are the files of another version of it?"]
    return []


def _bare(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _compare_speakers(
    published: Published, by_key: Mapping[Key, Conversation], ids: Mapping[Key, tuple[UtteranceId, ...]]
) -> list[str]:
    """Warn about conversations in which file and corpus assign utterances to different speakers."""
    differing = []
    for key, speakers in published.speakers.items():
        theirs = dict(zip(by_key[key].utterances, by_key[key].speakers, strict=True)) if key in by_key else {}
        pairs = {(theirs[u], s) for (_, u), s in zip(ids.get(key, ()), speakers, strict=False) if u in theirs}
        if len(pairs) != len({a for a, _ in pairs}) or len(pairs) != len({b for _, b in pairs}):
            differing.append(key)
    if len(differing) > MAX_OTHER_SPEAKERS * len(published.speakers):
        return [f"speakers differ from the corpus in {len(differing)} conversations; the first is {differing[0]}"]
    return []
