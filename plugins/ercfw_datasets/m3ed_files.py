"""M3ED's annotation.json and the lists of its splits.

These readers were written from published descriptions of the files. The corpus itself was not available.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, TypeAdapter, ValidationError

from ercfw import InputError, Mistake, Split
from ercfw_datasets.source_files import text_of

if TYPE_CHECKING:
    from pydantic_core import ErrorDetails

ANNOTATIONS = "annotation.json"
LISTS: Mapping[Split, str] = {
    "train": "movie_list_train.txt", "dev": "movie_list_val.txt", "test": "movie_list_test.txt",
}  # fmt: skip
"""The series of each split, one per line."""
FRAMES = 25
"""Frames per second of the times: the last number of ``00:00:01:04`` counts frames of 40 ms."""
HALF = re.compile(r"[\ud800-\udfff]")
TIME = re.compile(r"(?:([0-9]{1,4}):)?([0-9]{1,4}):([0-9]{1,2}):([0-9]{1,2})")
WORDS = {
    "missing": "is missing",
    "model_type": "is not an object",
    "dict_type": "is not an object",
    "string_type": "is not a text",
}
"""What is wrong, for the kinds of errors of pydantic."""
FORM = "{series: {dialogue: {SpeakerInfo, Dialog: {utterance: {StartTime, EndTime, Text, Speaker, EmoAnnotation}}}}}"


class Emotions(BaseModel):
    """The emotions of an utterance: the main one, and all, separated by commas."""

    final_main_emo: str
    final_mul_emo: str = ""


class Turn(BaseModel):
    """One utterance."""

    StartTime: str
    EndTime: str
    Text: str
    Speaker: str
    EmoAnnotation: Emotions


class Dialogue(BaseModel):
    """One dialogue: who its speakers are, and its utterances by name."""

    SpeakerInfo: dict[str, Any] = {}
    Dialog: dict[str, Turn]


Series = dict[str, dict[str, Dialogue]]
"""Dialogues by name, by the series that they are from."""


def read_annotations(path: Path) -> Series:
    """Return the annotated dialogues.

    Raises:
        InputError: if the file cannot be read, is not JSON, names something twice, or is not in the form of M3ED. It
            holds all mistakes of the form.
    """
    try:
        content = json.loads(text_of(path), object_pairs_hook=_unique(path))
    except json.JSONDecodeError as error:
        hint = "copy the file again; it may be incomplete"
        raise InputError.at(f"{path}, line {error.lineno}", f"is not JSON: {error.msg}", hint) from error
    except ValueError as error:  # a number of thousands of digits
        raise InputError.at(path, f"is not JSON: {error}") from error
    except RecursionError as error:
        raise InputError.at(path, "is nested too deeply", f"the form of M3ED is {FORM}") from error
    try:
        return TypeAdapter(Series).validate_python(content, strict=True)
    except ValidationError as error:
        first, *others = (_mistake(path, each) for each in error.errors(include_url=False))
        raise InputError([replace(first, hint=f"the form of M3ED is {FORM}"), *others]) from error


def _unique(path: Path) -> Callable[[list[tuple[str, Any]]], dict[str, Any]]:
    """Return a function that makes a dictionary of an object's names and values.

    It raises an ``InputError`` if a name occurs twice, or a text contains half of a character.
    """

    def to_dict(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        made = dict(pairs)
        if len(made) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for place, name in enumerate(names) if name in names[:place])
            raise InputError.at(path, f"'{twice}' occurs twice in an object", "remove one of them")
        for name, value in pairs:
            if HALF.search(name) or (isinstance(value, str) and HALF.search(value)):
                raise InputError.at(f"{path}: {name}", "contains half of a character (a lone surrogate)")
        return made

    return to_dict


def _mistake(path: Path, error: "ErrorDetails") -> Mistake:
    place = ", ".join(map(str, error["loc"]))
    what = WORDS.get(error["type"], error["msg"])
    return Mistake(f"{path}: {place}" if place else str(path), what)


def read_splits(paths: Mapping[Split, Path]) -> dict[str, Split]:
    """Return the split of each series.

    Raises:
        InputError: if a list cannot be read, or a series is in two splits.
    """
    splits: dict[str, Split] = {}
    mistakes: list[Mistake] = []
    for split, path in paths.items():
        try:
            lines = text_of(path).split("\n")
        except InputError as error:
            mistakes += error.mistakes
            continue
        for number, line in enumerate(lines, 1):
            name = line.strip()
            if name and splits.setdefault(name, split) != split:
                what = f"'{name}' is also in {paths[splits[name]].name}"
                mistakes.append(Mistake(f"{path}, line {number}", what, "keep each series in one split"))
    if mistakes:
        raise InputError(mistakes)
    return splits


def seconds_of(time: str) -> float | None:
    """Return ``00:01:02:12``, or ``01:02:12``, in seconds; None if it is not such a time.

    The numbers are hours, minutes, seconds, and frames of 40 ms. Ends are rounded up, so that there may be 25 frames.
    """
    found = TIME.fullmatch(time.strip())
    if found is None:
        return None
    hours, minutes, seconds, frames = (int(number or 0) for number in found.groups())
    return 3600 * hours + 60 * minutes + seconds + frames / FRAMES if frames <= FRAMES else None


def in_order(dialogue: Mapping[str, Turn]) -> list[tuple[str, Turn]]:
    """Return the utterances by the numbers at the end of their names, or as they are if a name has none."""
    numbers = {name: re.search(r"_([0-9]{1,9})$", name) for name in dialogue}
    if not all(numbers.values()):
        return list(dialogue.items())
    return sorted(dialogue.items(), key=lambda item: int(match[1]) if (match := numbers[item[0]]) else 0)
