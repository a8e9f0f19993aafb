"""Which utterance of a corpus each row of a public file is: proven, or refused."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ercfw.contract.conversation import SPLITS, UNLABELLED, Conversation, Split, UtteranceId
from ercfw.contract.interfaces import Dataset
from ercfw.contract.published import Key, Published
from ercfw.errors import InputError

LEAST_ALIKE = 0.9
"""Share of texts that should agree: files differ in quotes and dashes, and ours compares letters and digits only."""
UNPROVEN = "these files have no labels: that their rows belong to these utterances is not proven"
MOST_UNLIKE = 0.1
"""Share of conversations whose speakers may be told apart otherwise before it is worth a word."""


@dataclass(frozen=True)
class Matched:
    """The utterances of a public file by their names in the corpus.

    Attributes:
        ids: of each conversation the utterance that each of its rows is.
        agreeing: labels that were compared, all of which agree; 0 = the file has none.
        warnings: what a reader should know.
    """

    ids: Mapping[Key, tuple[UtteranceId, ...]]
    agreeing: int
    warnings: tuple[str, ...]


def match(published: Published, dataset: Dataset) -> Matched:
    """Find every conversation and utterance of the file in the corpus, and compare all labels.

    Conversations are found by name, or, where the file counts them, by their order in its lists.

    Raises:
        InputError: one is missing or too many, or a label differs; the first place is named.
    """
    if not published.lists:
        return Matched({}, 0, (UNPROVEN,))
    splits = {split: dataset.split(split) for split in SPLITS}
    by_key = _conversations(published, splits)
    known: dict[str, list[str]] = {}
    for conversation, utterance in dataset.rows:
        known.setdefault(conversation, []).append(utterance)
    ids = {key: _utterances(published, key, found, known[found.id]) for key, found in by_key.items()}
    agreeing, unlike = _compare_labels(published, dataset, by_key, ids)
    return Matched(ids, agreeing, (*unlike, *_texts(published, by_key, ids), *_speakers(published, by_key, ids)))


def _where(published: Published) -> str:
    return str(published.paths[0])


def _conversations(published: Published, splits: Mapping[Split, Sequence[Conversation]]) -> dict[Key, Conversation]:
    _check_lists(published)
    named = {c.id: c for conversations in splits.values() for c in conversations}
    keys = [key for listed in published.lists.values() for key in listed]
    if any(isinstance(key, str) and key in named for key in keys):
        return _by_name(published, named)
    if not all(isinstance(key, int) for key in keys):
        raise InputError.at(
            _where(published), f"conversation '{keys[0]}' is not in this corpus", "is it another one's?"
        )
    return _by_order(published, splits)


def _check_lists(published: Published) -> None:
    """Every conversation stands once in the lists, and in every table."""
    where = _where(published)
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
        **{f"'{name}'": values for name, values in published.streams.items()},
    }
    for name, table in tables.items():
        missing = listed - set(table) if table else ()
        if missing:
            raise InputError.at(where, f"{name} lack conversation {min(missing, key=str)} ({len(missing)} in all)")


def _by_name(published: Published, named: Mapping[str, Conversation]) -> dict[Key, Conversation]:
    where = _where(published)
    found: dict[Key, Conversation] = {}
    for split, keys in published.lists.items():
        for key in keys:
            if key not in named:
                raise InputError.at(where, f"conversation '{key}' is not in this corpus", "is it another one's?")
            found[key] = named[str(key)]
            if (found[key].split == "test") != (split == "test"):
                what = f"conversation '{key}' is in its {split} list, but in {found[key].split} of the corpus"
                raise InputError.at(where, what)
    missing = set(named) - {c.id for c in found.values()}
    if missing:
        raise InputError.at(where, f"lacks {len(missing)} conversations of the corpus, '{min(missing)}' first")
    return found


def _by_order(published: Published, splits: Mapping[Split, Sequence[Conversation]]) -> dict[Key, Conversation]:
    where = _where(published)
    expected = {"train": list(splits["train"]), "dev": list(splits["dev"]), "test": list(splits["test"])}
    if "dev" not in published.lists:
        expected["train"] += expected.pop("dev")
    found: dict[Key, Conversation] = {}
    for name, conversations in expected.items():
        keys = published.lists.get(name, ())
        if len(keys) != len(conversations):
            what = f"its {name} list has {len(keys)} conversations, the corpus {len(conversations)}"
            raise InputError.at(where, what, "is it another corpus' file, or one with other splits?")
        for place, (before, after) in enumerate(pairwise(keys), 1):
            if isinstance(before, int) and isinstance(after, int) and after < before:
                what = f"its {name} list is out of order: {after} stands behind {before}, at place {place + 1}"
                raise InputError.at(where, what, "conversations without names are known by their order")
        found.update(zip(keys, conversations, strict=True))
    return found


def _utterances(published: Published, key: Key, found: Conversation, known: Sequence[str]) -> tuple[UtteranceId, ...]:
    """The utterances of one conversation, by their ids if the file has them, else by their order."""
    where = f"{_where(published)}: conversation {key} ({found.id})"
    given = published.utterances.get(key)
    if given is None:
        lengths = {len(table[key]) for table in (published.labels, *published.streams.values()) if table}
        wrong = lengths - {len(found)}
        if wrong:
            raise InputError.at(where, f"has {wrong.pop()} utterances, the corpus {len(found)}")
        return found.ids
    names = [_name(id, known) for id in given]
    for id, name in zip(given, names, strict=True):
        if name is None:
            raise InputError.at(where, f"has an utterance '{id}', which the corpus has not")
    utterances = [name for name in names if name is not None]
    twice = [name for name, times in Counter(utterances).items() if times > 1]
    missing = [name for name in found.utterances if name not in set(utterances)]
    if twice:
        raise InputError.at(where, f"has utterance '{twice[0]}' more than once")
    if missing:
        raise InputError.at(where, f"lacks {len(missing)} utterances of the corpus, '{missing[0]}' first")
    place = {name: at for at, name in enumerate(known)}
    for before, after in pairwise(utterances):
        if place[after] < place[before]:
            raise InputError.at(where, f"has utterance '{after}' behind '{before}', which the corpus has the other way")
    return tuple((found.id, utterance) for utterance in utterances)


def _name(id: object, known: Sequence[str]) -> str | None:
    """The corpus' name of an utterance: the same, or the number behind ``utt`` (``dia12_utt3``)."""
    text = str(id)
    numbered = re.search(r"utt_?(\d+)$", text)
    return text if text in known else numbered[1] if numbered and numbered[1] in known else None


def _compare_labels(
    published: Published,
    dataset: Dataset,
    by_key: Mapping[Key, Conversation],
    ids: Mapping[Key, tuple[UtteranceId, ...]],
) -> tuple[int, list[str]]:
    """How many labels agree: all that can be compared; and what is said of those that cannot."""
    if not published.labels:
        return 0, [UNPROVEN]
    target, classes = next(iter(dataset.targets.items()))
    meaning = published.classes or classes
    agreeing, unknown, apart = 0, 0, []
    for key, conversation in by_key.items():
        names = [None if n == UNLABELLED else classes[n] for n in conversation.labels[target].tolist()]
        truth = dict(zip(conversation.utterances, names, strict=True))
        _same_number(published, key, conversation, len(published.labels[key]), len(ids[key]))
        for (_, utterance), number in zip(ids[key], published.labels[key], strict=True):
            said = meaning[number] if 0 <= number < len(meaning) else f"class {number}"
            if truth.get(utterance) is None:
                unknown += 1
            elif truth[utterance] == said:
                agreeing += 1
            else:
                apart.append(
                    f"{conversation.id}, utterance {utterance}: the file says {said}, the corpus {truth[utterance]}"
                )
    if apart:
        what = f"{len(apart)} of {agreeing + len(apart)} labels differ from the corpus', first at {apart[0]}"
        raise InputError.at(_where(published), what, "rows or labels have moved, or classes are numbered otherwise")
    return agreeing, [
        f"utterances whose labels the corpus does not have, so not compared: {unknown}"
    ] if unknown else []


def _same_number(published: Published, key: Key, found: Conversation, labels: int, utterances: int) -> None:
    if labels != utterances:
        where = f"{_where(published)}: conversation {key} ({found.id})"
        raise InputError.at(where, f"has {labels} labels for {utterances} utterances")


def _texts(
    published: Published, by_key: Mapping[Key, Conversation], ids: Mapping[Key, tuple[UtteranceId, ...]]
) -> list[str]:
    """Texts that differ: no proof against the file, for many files damage them, but worth a look."""
    alike = compared = 0
    for key, sentences in published.sentences.items():
        texts = dict(zip(by_key[key].utterances, by_key[key].texts, strict=True)) if key in by_key else {}
        for (_, utterance), sentence in zip(ids.get(key, ()), sentences, strict=False):
            if _bare(texts.get(utterance, "")):
                compared += 1
                alike += _bare(texts[utterance]) == _bare(sentence)
    if compared and alike < LEAST_ALIKE * compared:
        return [f"only {alike} of {compared} texts are the corpus': is it the same version of it?"]
    return []


def _bare(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _speakers(
    published: Published, by_key: Mapping[Key, Conversation], ids: Mapping[Key, tuple[UtteranceId, ...]]
) -> list[str]:
    """Conversations in which the file tells speakers apart otherwise than the corpus."""
    unlike = []
    for key, speakers in published.speakers.items():
        theirs = dict(zip(by_key[key].utterances, by_key[key].speakers, strict=True)) if key in by_key else {}
        pairs = {(theirs[u], s) for (_, u), s in zip(ids.get(key, ()), speakers, strict=False) if u in theirs}
        if len(pairs) != len({a for a, _ in pairs}) or len(pairs) != len({b for _, b in pairs}):
            unlike.append(key)
    if len(unlike) > MOST_UNLIKE * len(published.speakers):
        return [
            f"speakers are told apart otherwise than in the corpus in {len(unlike)} conversations, {unlike[0]} first"
        ]
    return []
