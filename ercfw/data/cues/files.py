"""The files of ``ercfw data cues``: a table of cues, and the levels that they were told by."""

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, ValidationError, model_validator

from ercfw.contract.conversation import Conversation
from ercfw.data.cues.attach import COLUMNS
from ercfw.data.cues.levels import FEWEST, WORDS, Levels
from ercfw.errors import InputError
from ercfw.system.files import read_bytes, write_text
from ercfw.system.validation import Strict, in_short

WHOLE = ("speaker", "text")


class LevelsFile(Strict):
    """The content of a file of levels.

    Attributes:
        version: the version of the format.
        modality: the modality whose numbers are told.
        words: the words of the levels, for readers of the file.
        fewest: the number of train utterances from which a speaker has limits of their own, for readers of the file.
        utterances: the number of train utterances that the limits come from.
        levels: the limits.
    """

    version: Literal[1] = Field(alias="schema")
    modality: str
    words: tuple[str, ...] = WORDS
    fewest: int = FEWEST
    utterances: Annotated[int, Field(ge=1)]
    levels: Levels

    @model_validator(mode="after")
    def _limits_are_complete(self) -> Self:
        named = {name for name in self.levels.names if name}
        for speaker, limits in [("", self.levels.everyone), *self.levels.speakers.items()]:
            if limits.keys() != named:
                of = f"of speaker '{speaker}'" if speaker else "of everyone"
                raise ValueError(f"the limits {of} are not those of {', '.join(sorted(named)) or 'any number'}")
        return self


def beside(table: Path) -> Path:
    """Return the path of the levels that belong to a table of cues: ``cues.levels.json`` for ``cues.csv``."""
    return table.with_suffix(".levels.json")


def write_levels(path: Path, modality: str, utterances: int, levels: Levels) -> None:
    """Write levels as JSON, completely or not at all.

    Raises:
        RunError: the file cannot be written.
    """
    content = LevelsFile(schema=1, modality=modality, utterances=utterances, levels=levels)
    written = content.model_dump(mode="json", by_alias=True)
    write_text(path, json.dumps(written, indent=1, ensure_ascii=False) + "\n")


def read_levels(path: Path, modality: str) -> Levels:
    """Read the levels of a modality that ``write_levels`` wrote.

    Raises:
        InputError: the file cannot be read, has another form, or holds the levels of another modality.
    """
    hint = "'ercfw data cues' writes such a file beside its table"
    try:
        read = LevelsFile.model_validate_json(read_bytes(path))
    except ValidationError as error:
        raise InputError.at(path, f"is not a file of levels: {in_short(error)}", hint) from error
    except OSError as error:
        raise InputError.unreadable(path, error, hint) from error
    except ValueError as error:  # a name that no file can have
        raise InputError.at(path, f"cannot be read: {error}", hint) from error
    if read.modality != modality:
        raise InputError.at(path, f"holds the levels of '{read.modality}'", f"--modality {read.modality}")
    return read.levels


def write_cues(path: Path, conversations: Iterable[Conversation], cues: Sequence[str], whole: bool) -> None:
    """Write a table of cues, completely or not at all.

    Args:
        path: the file.
        conversations: the conversations.
        cues: the cues of all their utterances.
        whole: whether speakers and texts are written, too, as ``ercfw predict`` reads them.

    Raises:
        RunError: the file cannot be written.
    """
    conversation, utterance, own = COLUMNS
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([conversation, utterance, *(WHOLE if whole else ()), own])
    said = [(id, words) for c in conversations for id, words in zip(c.ids, _said(c), strict=True)]
    for (id, words), told in zip(said, cues, strict=True):
        writer.writerow([*id, *(words if whole else ()), told])
    write_text(path, out.getvalue())


def _said(conversation: Conversation) -> Iterable[tuple[str, str]]:
    return zip(conversation.speakers, conversation.texts, strict=True)
