"""Texts to predict that are given in place of a file: on the command line, or on standard input."""

import re
from collections.abc import Collection, Sequence
from pathlib import Path

from ercfw.contract.conversation import Conversation
from ercfw.data.tables.read import Read
from ercfw.data.tables.utterances import ONE_SPEAKER
from ercfw.errors import InputError
from ercfw.system.files import is_file, is_folder

NAME = "conversation"
"""The name of a conversation whose source names none."""
_SENTENCE = re.compile(r"\s|[.!?…]['\"’”)]*$")
"""What a sentence has and the name of a file rarely has: a space, or a mark at its end."""


def is_text(word: str, endings: Collection[str]) -> bool:
    """Return whether a word of the command line is a text rather than the name of a file or folder.

    Args:
        word: the word.
        endings: the endings of the files that can be given instead.
    """
    if not _SENTENCE.search(word.strip()):
        return False
    path = Path(word)
    in_folder = path.parent != Path() and is_folder(path.parent)
    return not (is_file(path) or is_folder(path) or in_folder or path.suffix.lower() in endings)


def read_texts(texts: Sequence[str]) -> Read[list[Conversation]]:
    """Return the conversation of these utterances, without those that are empty.

    Raises:
        InputError: all of them are empty.
    """
    said = tuple(text.strip() for text in texts if text.strip())
    if not said:
        raise InputError.at("the input", "contains no text", "give one utterance per line")
    ids = tuple(map(str, range(1, len(said) + 1)))
    speakers = (ONE_SPEAKER,) * len(said)
    warning = "the texts name no speakers, so the conversation has one speaker"
    return Read([Conversation(NAME, "test", ids, speakers, said, {})], (warning,) if len(said) > 1 else ())
