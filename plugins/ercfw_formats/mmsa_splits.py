"""The splits of MMSA's files: checked to have the keys that are read, with one value per utterance."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ercfw import InputError, Mistake

T = TypeVar("T")
Tables = Mapping[str, dict[str, Any]]
"""What each split holds, by MMSA's names."""
SPLITS = {"train": "train", "valid": "dev", "test": "test"}
"""The split of each of MMSA's names."""
FEATURES = ("text", "audio", "vision")
NEEDED = ("id", "raw_text", "regression_labels")
OPTIONAL = (
    *FEATURES, "text_bert", "audio_lengths", "vision_lengths", "annotations", "classification_labels",
    "regression_labels_T", "regression_labels_A", "regression_labels_V",
)  # fmt: skip
OTHER_VERSION = "does the file have another version?"
EXPECTED = f"expected a dict of {', '.join(SPLITS)}"


def checked_splits(file: Path, content: Any) -> Tables:
    """Return what each split holds; splits without utterances are left out.

    Raises:
        InputError: a split or a key is missing or unknown, or the values of a split differ in number; the error lists
            every mistake.
    """
    if not isinstance(content, dict):
        raise InputError.at(file, f"holds a {type(content).__name__}", EXPECTED)
    mistakes = [Mistake(f"{file}: {name}", "is not a split", EXPECTED) for name in content if name not in SPLITS]
    tables = {name: content[name] for name in SPLITS if name in content}
    for name, table in tables.items():
        mistakes += _mistakes(f"{file}: {name}", table)
    if mistakes:
        raise InputError(mistakes)
    held = {name: table for name, table in tables.items() if len(table["id"])}
    if not held:
        raise InputError.at(file, "holds no utterance", EXPECTED)
    every = {key: [key in table for table in held.values()] for key in OPTIONAL}
    some = [key for key, found in every.items() if any(found) and not all(found)]
    mistakes = [Mistake(f"{file}: {n}", f"lacks '{k}'", "other splits have it") for k in some for n in held
                if k not in held[n]]  # fmt: skip
    if mistakes:
        raise InputError(mistakes)
    return held


def _mistakes(where: str, table: Any) -> list[Mistake]:
    """Return what is wrong with the keys of a split and with the number of values of each."""
    if not isinstance(table, dict):
        return [Mistake(where, f"is not a dict but of type {type(table).__name__}", OTHER_VERSION)]
    mistakes = [Mistake(where, f"lacks '{key}'", OTHER_VERSION) for key in NEEDED if key not in table]
    if not any(key in table for key in FEATURES):
        mistakes.append(Mistake(where, f"has none of {', '.join(FEATURES)}", OTHER_VERSION))
    numbers = {key: _number(table[key]) for key in (*NEEDED, *OPTIONAL) if key in table}
    for key, number in numbers.items():
        if number is None:
            what = f"is neither a list nor an array but of type {type(table[key]).__name__}"
            mistakes.append(Mistake(f"{where}: {key}", what, OTHER_VERSION))
        elif numbers.get("id") not in (None, number):
            mistakes.append(Mistake(f"{where}: {key}", f"has {number} values for {numbers['id']} ids"))
    return mistakes


def _number(values: Any) -> int | None:
    """Return the number of values in a list or an array; None if it is neither."""
    is_listed = isinstance(values, list | tuple) or (isinstance(values, np.ndarray) and values.ndim > 0)
    return len(values) if is_listed else None


def of_each(tables: Tables, read: Callable[[str, dict[str, Any]], T]) -> dict[str, T]:
    """Apply ``read`` to the name and the content of each split.

    Raises:
        InputError: ``read`` raised it; the error lists the mistakes of all splits.
    """
    found: dict[str, T] = {}
    mistakes: list[Mistake] = []
    for name, table in tables.items():
        try:
            found[name] = read(name, table)
        except InputError as error:
            mistakes += error.mistakes
    if mistakes:
        raise InputError(mistakes)
    return found
