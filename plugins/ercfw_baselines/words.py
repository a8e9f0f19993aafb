"""Numbers for words, for methods that read whole words instead of the tokens of a language model."""

import hashlib
import re
import unicodedata
import zlib
from collections.abc import Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ercfw import Conversation, Extractor, InputError, Size, is_file

Neighbours = Annotated[int, Field(ge=0)]
UNKNOWN = 0
"""The number of a word that is not in the file, and of the gap between two utterances."""


def split_words(text: str) -> list[str]:
    """Return the words in lower case, without accents, and the signs ``!`` and ``?``, as MVN's released code does."""
    plain = unicodedata.normalize("NFD", text.lower())
    plain = "".join(letter for letter in plain if unicodedata.category(letter) != "Mn")
    return re.findall(r"[a-z]+|[!?]", plain)


def read_vectors(path: Path) -> tuple[tuple[str, ...], NDArray[np.float32]]:
    """Read W words and their vectors ``[W, D]`` from a file in the text format of word2vec and GloVe.

    Raises:
        InputError: the file cannot be read, holds no word, or has a line that is not a word and D finite numbers.
    """
    if not is_file(path):  # a pipe or a device may never end
        raise InputError.at(path, "there is no such file")
    words, rows = [], []
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                word, *numbers = line.rstrip().split(" ")
                if number == 1 and len(numbers) == 1:
                    continue  # word2vec's first line: the number of words and their width
                rows.append(np.array(numbers, np.float32))
                if not len(rows[-1]) or len(rows[-1]) != len(rows[0]):
                    raise ValueError(f"line {number} holds {len(numbers)} numbers, the first vector {len(rows[0])}")
                if not np.isfinite(rows[-1]).all():
                    raise ValueError(f"line {number} holds a number that is not finite")
                words.append(word)
    except (OSError, ValueError) as error:
        raise InputError.at("vectors", f"{path} cannot be read: {error}", "one word and its vector per line") from error
    if not words:
        raise InputError.at("vectors", f"{path} holds no words", "one word and its vector per line")
    return tuple(words), np.stack(rows)  # [W, D]


class Words(Extractor):
    """One number per word of an utterance, ``[T]``; an utterance without words is absent.

    With a file of vectors, the number of a word is its place in the file, from 1; ``mvn`` reads the same file. Without
    a file, words are hashed into buckets whose vectors are trained, so that no vocabulary has to be built.

    Options:
        vectors: file in the text format of word2vec or GloVe.
        buckets: number of buckets when there is no file.
        most_words: largest number of words to read of one utterance; the rest is cut off.
        before: number of preceding utterances to read along with each one, with a 0 between two utterances.
        after: number of following utterances to read along with each one, with a 0 between two utterances.
    """

    reads = "text"
    kind = "tokens"

    def __init__(
        self,
        *,
        vectors: Path | None = None,
        buckets: Annotated[int, Field(ge=2)] = 20_000,
        most_words: Size = 60,
        before: Neighbours = 0,
        after: Neighbours = 0,
    ) -> None:
        self._vectors, self._buckets, self._most = vectors, buckets, most_words
        self.longest_text = f"{most_words} words are read (most_words in its [features] table sets this)"
        self._around = (before, after)
        self.causal = after == 0
        self.dim = 1 + (buckets if vectors is None else len(self._places))

    @property
    def fingerprint(self) -> str:
        """Return a hash of the vocabulary and the settings."""
        known = self._buckets if self._vectors is None else sorted(self._places.items())
        return hashlib.sha256(repr(("words", 1, self._most, self._around, known)).encode()).hexdigest()

    def extract(self, conversation: Conversation) -> Sequence[NDArray[np.int64] | None]:
        """Return U arrays ``[T]`` int64, one per utterance; None for an utterance without words."""
        found = [[self._number(word) for word in split_words(text)[: self._most]] for text in conversation.texts]
        before, after = self._around
        near = [[ids for ids in found[max(0, n - before) : n + after + 1] if ids] for n in range(len(found))]
        joined = [list(chain.from_iterable([UNKNOWN, *ids] for ids in several))[1:] for several in near]
        return [np.array(ids, np.int64) if own else None for own, ids in zip(found, joined, strict=True)]

    def cut_texts(self, conversation: Conversation) -> list[int]:
        """Return the positions of the utterances of which only the beginning is read."""
        return [place for place, text in enumerate(conversation.texts) if len(split_words(text)) > self._most]

    def _number(self, word: str) -> int:
        if self._vectors is None:
            return 1 + zlib.crc32(word.encode()) % self._buckets
        return self._places.get(word, UNKNOWN)

    @cached_property
    def _places(self) -> dict[str, int]:
        assert self._vectors is not None
        words, _ = read_vectors(self._vectors)
        return {word: place for place, word in enumerate(words, 1)}
