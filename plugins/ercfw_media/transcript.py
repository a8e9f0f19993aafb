"""The input of a language model for an utterance: the utterance with its speaker, and its neighbours."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import Any

from ercfw import Conversation
from ercfw_media.long_texts import places_beyond

MOST_MARKS = 4
"""The most marks that a model expects around one text; those of known models are one or two."""


@dataclass(frozen=True)
class Template:
    """How much of a conversation is read with an utterance.

    Attributes:
        speakers: whether each utterance begins with its speaker's name and a colon.
        before: number of utterances before it.
        after: number of utterances after it.
        most_tokens: largest length of the whole input. The utterance comes first, then its neighbours, nearest first,
            as long as whole ones fit.
    """

    speakers: bool
    before: int
    after: int
    most_tokens: int


def read_tokens(tokenizer: Any, conversation: Conversation, template: Template) -> list[list[int] | None]:
    """Return U lists of token ids, ``<s> before </s> utterance </s> after </s>``; None where there is no text."""
    token_ids = _encode_all(tokenizer, conversation, template)
    marks = _marks(tokenizer)
    return [_around(marks, token_ids, place, template) if ids else None for place, ids in enumerate(token_ids)]


def cut_places(tokenizer: Callable[[], Any], conversation: Conversation, template: Template) -> list[int]:
    """Return the positions of the utterances that are cut; neighbours that are left out do not count.

    Args:
        tokenizer: returns the tokenizer; not called if all texts are short.
        conversation: the conversation.
        template: how much is read.
    """
    texts = [_said(conversation, place, template) for place in range(len(conversation))]
    if not places_beyond(texts, template.most_tokens - MOST_MARKS, tokenizer):
        return []
    marks = _marks(tokenizer())
    return places_beyond(texts, template.most_tokens - len(marks.start) - len(marks.end), tokenizer)


def _said(conversation: Conversation, place: int, template: Template) -> str:
    """Return an utterance as it is read; empty without text."""
    text = conversation.texts[place]
    return f"{conversation.speakers[place]}: {text}" if template.speakers and text.strip() else text


@dataclass(frozen=True)
class _Marks:
    """The token ids that a model expects before, between and after texts."""

    start: list[int]
    between: list[int]
    end: list[int]


def _marks(tokenizer: Any) -> _Marks:
    """Find the marks by tokenizing one letter, and a pair of texts of one letter."""
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    one, two = tokenizer("a")["input_ids"], tokenizer("a", "a")["input_ids"]
    place = next(n for n in range(len(one)) if one[n : n + len(bare)] == bare)
    start, end = one[:place], one[place + len(bare) :]
    return _Marks(start, two[place + len(bare) : len(two) - len(end) - len(bare)], end)


def _encode_all(tokenizer: Any, conversation: Conversation, template: Template) -> list[list[int]]:
    """Return the token ids of each utterance, without the model's marks; an utterance without text has none."""
    spoken = [place for place, text in enumerate(conversation.texts) if text.strip()]
    texts = [_said(conversation, place, template) for place in spoken]
    found: list[list[int]] = [[] for _ in conversation.texts]
    if texts:
        encoded = tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
        for place, ids in zip(spoken, encoded, strict=True):
            found[place] = list(ids)
    return found


def _around(marks: _Marks, token_ids: Sequence[list[int]], place: int, template: Template) -> list[int]:
    room = template.most_tokens - len(marks.start) - len(marks.end)
    own = token_ids[place][:room]
    room -= len(own) + 2 * len(marks.between)
    first, last = place, place + 1
    for neighbour in _nearest_first(len(token_ids), place, template):
        if len(token_ids[neighbour]) > room:
            break
        room -= len(token_ids[neighbour])
        first, last = min(first, neighbour), max(last, neighbour + 1)
    before = list(chain.from_iterable(token_ids[first:place]))
    after = list(chain.from_iterable(token_ids[place + 1 : last]))
    parts = [*([before] if before else []), own, *([after] if after else [])]
    inner = [token for number, part in enumerate(parts) for token in [*(marks.between if number else []), *part]]
    return [*marks.start, *inner, *marks.end]


def _nearest_first(utterances: int, place: int, template: Template) -> Iterator[int]:
    """Yield the places of the neighbours: the one before, the one after, the second one before, and so on."""
    before = range(place - 1, max(-1, place - 1 - template.before), -1)
    after = range(place + 1, min(utterances, place + 1 + template.after))
    return (near for pair in zip_longest(before, after) for near in pair if near is not None)
