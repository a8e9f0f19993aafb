"""Prompts as token ids: within a number of tokens, and with the part that each token plays."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from ercfw import Conversation, InputError
from ercfw_media.long_texts import places_beyond
from ercfw_media.prompt import Prompt

MOST_MARKS = 4
"""The most marks that a model expects around one text; those of known models are one or two."""

OWN, AROUND, ANSWER = range(3)
"""The parts of tokens: the utterance itself; its neighbours, the question and the marks; the mask."""
PARTS = 3


@dataclass
class PromptTokens:
    """The prompt of an utterance.

    Attributes:
        ids: T token ids.
        parts: the part of each token.
    """

    ids: list[int] = field(default_factory=list)
    parts: list[int] = field(default_factory=list)

    def add(self, ids: Sequence[int], part: int) -> None:
        """Append tokens of one part."""
        self.ids += ids
        self.parts += [part] * len(ids)


def write_prompts(
    tokenizer: Any, conversation: Conversation, prompt: Prompt, most_tokens: int
) -> list[PromptTokens | None]:
    """Return U prompts, ``<s> before </s> utterance </s> after </s> question </s>``; None where there is no text.

    The utterance comes first, then its neighbours, nearest first, as long as whole ones fit.

    Args:
        tokenizer: the tokenizer of the model.
        conversation: the conversation.
        prompt: what is written.
        most_tokens: largest length of the whole input.

    Raises:
        InputError: a question leaves no room for the utterance.
    """
    turns = _encode_turns(tokenizer, conversation, prompt)
    marks = _marks(tokenizer)
    return [
        _write(marks, turns, place, prompt, _ask(tokenizer, conversation, place, prompt), most_tokens) if ids else None
        for place, ids in enumerate(turns)
    ]


def check_question(tokenizer: Callable[[], Any], prompt: Prompt, most_tokens: int) -> None:
    """Check that the model has a mask token if the question needs one, and that the question leaves room.

    Args:
        tokenizer: returns the tokenizer; not called without a question.
        prompt: what is written.
        most_tokens: largest length of the whole input.

    Raises:
        InputError: the model has no mask token, or there is no room.
    """
    if prompt.question is None:
        return
    if "{mask}" in prompt.question and tokenizer().mask_token is None:
        raise InputError.at("prompt.question", "has the field {mask}, but the model has no mask token", "leave it out")
    someone = Conversation("", "train", ("",), ("A",), ("a",), {})
    write_prompts(tokenizer(), someone, prompt, most_tokens)


def cut_places(tokenizer: Callable[[], Any], conversation: Conversation, prompt: Prompt, most_tokens: int) -> list[int]:
    """Return the positions of the utterances that are cut; neighbours that are left out do not count.

    Args:
        tokenizer: returns the tokenizer; not called if all texts are short.
        conversation: the conversation.
        prompt: what is written.
        most_tokens: largest length of the whole input.
    """
    texts = [prompt.turn(conversation, place) for place in range(len(conversation))]
    if prompt.question is None and not places_beyond(texts, most_tokens - MOST_MARKS, tokenizer):
        return []
    marks = _marks(tokenizer())
    turns = _encode_turns(tokenizer(), conversation, prompt)
    questions = [_ask(tokenizer(), conversation, place, prompt) for place in range(len(turns))]
    rooms = [_room(marks, question, most_tokens) for question in questions]
    return [place for place, (ids, room) in enumerate(zip(turns, rooms, strict=True)) if len(ids) > room]


@dataclass(frozen=True)
class _Marks:
    """The token ids that a model expects before, between and after texts, and its mask."""

    start: list[int]
    between: list[int]
    end: list[int]
    mask: int | None


def _marks(tokenizer: Any) -> _Marks:
    """Find the marks by tokenizing one letter, and a pair of texts of one letter."""
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    one, two = tokenizer("a")["input_ids"], tokenizer("a", "a")["input_ids"]
    place = next(n for n in range(len(one)) if one[n : n + len(bare)] == bare)
    start, end = one[:place], one[place + len(bare) :]
    between = two[place + len(bare) : len(two) - len(end) - len(bare)]
    return _Marks(start, between, end, tokenizer.mask_token_id)


def _encode_turns(tokenizer: Any, conversation: Conversation, prompt: Prompt) -> list[list[int]]:
    """Return the token ids of each turn, without the model's marks; an utterance without text has none."""
    spoken = [place for place, text in enumerate(conversation.texts) if text.strip()]
    texts = [prompt.turn(conversation, place) for place in spoken]
    found: list[list[int]] = [[] for _ in conversation.texts]
    if texts:
        encoded = tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
        for place, ids in zip(spoken, encoded, strict=True):
            found[place] = list(ids)
    return found


def _ask(tokenizer: Any, conversation: Conversation, place: int, prompt: Prompt) -> list[int]:
    """Return the token ids of the question about an utterance; none without a question."""
    asked = prompt.asked(conversation, place, tokenizer.mask_token or "")
    return list(tokenizer(asked, add_special_tokens=False, verbose=False)["input_ids"]) if asked else []


def _room(marks: _Marks, question: Sequence[int], most_tokens: int) -> int:
    """Return how many tokens of the turns fit."""
    room = most_tokens - len(marks.start) - len(marks.end) - (len(marks.between) + len(question) if question else 0)
    if room < 1:
        what = f"takes {len(question)} of the {most_tokens} tokens that are read, and leaves none for the utterance"
        raise InputError.at("prompt.question", what, "shorten it, or set a larger most_tokens")
    return room


def _write(
    marks: _Marks, turns: Sequence[list[int]], place: int, prompt: Prompt, question: list[int], most_tokens: int
) -> PromptTokens:
    room = _room(marks, question, most_tokens)
    own = turns[place][:room]
    first, last = _window(marks, turns, place, prompt, room - len(own))
    written = PromptTokens()
    written.add(marks.start, AROUND)
    read = [near for near in range(first, last) if turns[near]]
    for previous, near in zip([None, *read], read, strict=False):
        if previous is not None and (prompt.separators == "turns" or place in (previous, near)):
            written.add(marks.between, AROUND)
        written.add(own if near == place else turns[near], OWN if near == place else AROUND)
    if question:
        written.add(marks.between, AROUND)
        for token in question:
            written.add([token], ANSWER if token == marks.mask else AROUND)
    written.add(marks.end, AROUND)
    return written


def _window(marks: _Marks, turns: Sequence[list[int]], place: int, prompt: Prompt, room: int) -> tuple[int, int]:
    """Return the first turn that is read with an utterance, and the place behind the last one."""
    each = len(marks.between) if prompt.separators == "turns" else 0
    room -= 0 if each else 2 * len(marks.between)
    left = {
        -1: room if prompt.before_tokens is None else prompt.before_tokens,
        +1: room if prompt.after_tokens is None else prompt.after_tokens,
    }
    ends = {-1: place, +1: place}
    closed: set[int] = set()
    for near in _nearest_first(len(turns), place, prompt):
        side = -1 if near < place else 1
        size = len(turns[near]) + each
        if size > room:
            break
        if side in closed or size > left[side]:
            closed.add(side)
            continue
        room -= size
        left[side] -= size
        ends[side] = near
    return ends[-1], ends[1] + 1


def _nearest_first(utterances: int, place: int, prompt: Prompt) -> Iterator[int]:
    """Yield the places of the neighbours: the one before, the one after, the second one before, and so on."""
    before = range(place - 1, max(-1, place - 1 - prompt.turns_before), -1)
    after = range(place + 1, min(utterances, place + 1 + prompt.turns_after))
    return (near for pair in zip_longest(before, after) for near in pair if near is not None)
