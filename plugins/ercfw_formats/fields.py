"""Reading and writing of files that hold one tuple, with its fields by name."""

import pickle
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from ercfw import SPLITS, InputError, Key, Published, replacing
from ercfw.pickles import read_pickle
from ercfw_formats import values
from ercfw_formats.corpora import IEMOCAP, form_of, written_speakers

Fields = tuple[str, ...]
T = TypeVar("T")
UNUSED = "-"
"""Name of a field that is not read."""
PROTOCOL = 4
"""Protocol of the pickles: the newest that Python 3.6 reads, which some of these projects need."""


def read_fields(path: Path, forms: Sequence[Fields]) -> dict[str, Any]:
    """Read the fields of a file by name; the number of fields decides which of the forms the file has.

    Raises:
        InputError: the file cannot be opened safely, or has another format.
    """
    content = read_pickle(path)
    lengths = " or ".join(str(len(form)) for form in forms)
    if not isinstance(content, tuple | list):
        raise InputError.at(path, f"holds a {type(content).__name__}", f"expected a tuple of {lengths} fields")
    for form in forms:
        if len(form) == len(content):
            return dict(zip(form, content, strict=True))
    raise InputError.at(path, f"holds {len(content)} fields", f"expected {lengths}: does the file have another format?")


def to_published(path: Path, fields: Mapping[str, Any], streams: Sequence[str]) -> Published:
    """Return the conversations and streams that the fields of a file hold.

    Args:
        path: the file, for messages.
        fields: the fields by name.
        streams: names of the fields that hold values of a modality; empty ones are left out.

    Raises:
        InputError: a field does not hold what its name requires.
    """

    def table(name: str, read: Callable[[str, Any], T]) -> dict[Key, T]:
        return values.per_conversation(f"{path}: {name}", fields[name], read) if name in fields else {}

    lists: dict[str, list[Key]] = {
        name: values.keys_of(f"{path}: {name} list", fields[name]) for name in SPLITS if name in fields
    }
    form = form_of([key for keys in lists.values() for key in keys])
    speakers = table("speakers", values.speakers)
    if form is IEMOCAP:
        speakers = {key: [f"{str(key)[:5]}_{who}" for who in found] for key, found in speakers.items()}
    held = {name: table(name, values.vectors) for name in streams}
    return Published(
        paths=(path,),
        corpus=form.corpus if form else None,
        classes=form.classes if form else (),
        lists=lists,
        utterances=table("utterances", values.texts),
        speakers=speakers,
        labels=table("labels", values.numbers),
        sentences=table("sentences", values.texts),
        streams={name: found for name, found in held.items() if found},
    )


def to_fields(published: Published, form: Fields) -> tuple[Any, ...]:
    """Return the fields of a file, in the order of ``form``; without a dev list, dev is appended to the train list."""
    lists: dict[str, list[Key]] = {name: list(published.lists.get(name, ())) for name in SPLITS}
    if "dev" not in form:
        lists["train"] += lists.pop("dev")
    fields: dict[str, Any] = {
        "utterances": {key: list(ids) for key, ids in published.utterances.items()},
        "speakers": dict(written_speakers(published)),
        "labels": {key: list(labels) for key, labels in published.labels.items()},
        "sentences": {key: list(sentences) for key, sentences in published.sentences.items()},
        "sentiments": {key: list(labels) for key, labels in published.sentiments.items()},
        UNUSED: [],
        **lists,
    }
    return tuple(
        fields[name] if name in fields else {k: list(v) for k, v in published.streams.get(name, {}).items()}
        for name in form
    )


class _Pickler(pickle.Pickler):
    """A pickler of vectors for all versions of numpy: numpy 2 names a module in its pickles that numpy 1 lacks."""

    def reducer_override(self, value: Any) -> Any:
        if type(value) is np.ndarray and value.ndim == 1:
            return np.frombuffer, (value.tobytes(), value.dtype.str)
        return NotImplemented


def write_pickle(path: Path, content: object) -> Path:
    """Write a pickle that plain ``pickle.load`` opens, and return its path; a failed write leaves no partial file."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        _Pickler(file, PROTOCOL).dump(content)
    return path
