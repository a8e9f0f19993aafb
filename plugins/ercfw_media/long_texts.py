"""Texts that are longer than a model reads."""

from collections.abc import Callable, Sequence
from typing import Any

MOST_OF_A_CHARACTER = 18
"""The most tokens that one character can become: U+FDFA, which tokenizers may spell out. One of ASCII becomes one."""


def longest_text(most_tokens: int, possible: int) -> str:
    """Return in words how much of an utterance is read, and what changes it."""
    return f"{most_tokens} tokens are read (most_tokens in its [features] table sets this, up to {possible})"


def places_beyond(texts: Sequence[str], room: int, tokenizer: Callable[[], Any]) -> list[int]:
    """Return the places of the texts with more tokens than there is room for.

    Args:
        texts: the texts.
        room: largest number of tokens, without the marks that the model expects around a text.
        tokenizer: returns the tokenizer; not called if no text has enough characters to be longer.
    """
    long = [place for place, text in enumerate(texts) if text.strip() and _most_tokens(text) > room]
    if not long:
        return []
    tokens = tokenizer()([texts[place] for place in long], add_special_tokens=False, verbose=False)["input_ids"]
    return [place for place, ids in zip(long, tokens, strict=True) if len(ids) > room]


def _most_tokens(text: str) -> int:
    return 1 + len(text) * (1 if text.isascii() else MOST_OF_A_CHARACTER)
