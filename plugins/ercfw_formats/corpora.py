"""The two corpora that these files hold, and what all formats have in common."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ercfw import InputError, Key, Published, is_file, is_folder

ONE_HOT = 9
"""Width of MELD's one-hot speakers: the number of speakers in its largest conversation."""


@dataclass(frozen=True)
class FileForm:
    """How the files write a corpus.

    Attributes:
        corpus: the name of the dataset.
        classes: the classes that the labels 0, 1, ... stand for.
    """

    corpus: str
    classes: tuple[str, ...]


MELD = FileForm("meld", ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"))
IEMOCAP = FileForm("iemocap", ("happiness", "sadness", "neutral", "anger", "excitement", "frustration"))


def form_of(keys: Sequence[Key]) -> FileForm | None:
    """Return the corpus whose conversations have these names; None if it is neither IEMOCAP nor MELD.

    IEMOCAP names its conversations like ``Ses01F_impro01``; MELD numbers them.
    """
    if keys and all(isinstance(key, str) and re.match(r"Ses0[1-5][FM]_", key) for key in keys):
        return IEMOCAP
    return MELD if keys and all(isinstance(key, int) for key in keys) else None


def find_file(path: Path, names: Sequence[str]) -> Path:
    """Return ``path`` if it is a file, or else the file in this folder that has one of these names.

    Raises:
        InputError: the folder holds no such file, or several.
    """
    if not is_folder(path):
        return path
    found = [path / name for name in names if is_file(path / name)]
    if not found:
        raise InputError.at(path, f"holds none of {', '.join(names)}", "if the file has another name, give its path")
    if len(found) > 1:
        raise InputError.at(path, f"holds {found[0].name} and {found[1].name}", "give the path of the file to read")
    return found[0]


def written_speakers(published: Published) -> Mapping[Key, Sequence[object]]:
    """Return the speakers as the files write them: ``M`` or ``F`` for IEMOCAP, one-hot vectors for all other corpora.

    The one-hot vectors number the speakers of each conversation by first appearance.
    """
    return _genders(published) if published.corpus == IEMOCAP.corpus else _one_hot(published)


def _genders(published: Published) -> dict[Key, Sequence[object]]:
    """Return the speakers of IEMOCAP, read from utterance ids such as ``Ses01F_impro01_F000``.

    Raises:
        InputError: an utterance id does not name its speaker.
    """
    found: dict[Key, Sequence[object]] = {}
    for key, utterances in published.utterances.items():
        marks = [re.search(r"_([FM])\w*$", id) for id in utterances]
        for mark, id in zip(marks, utterances, strict=True):
            if mark is None:
                where = f"conversation {key}, utterance {id}"
                raise InputError.at(where, "the id does not name the speaker", "expected one like Ses01F_impro01_F000")
        found[key] = [mark[1] for mark in marks if mark]
    return found


def _one_hot(published: Published) -> dict[Key, Sequence[object]]:
    """Return one-hot speakers, numbered by first appearance; the conversation with most speakers sets their width.

    The width is at least that of MELD.
    """
    width = max(ONE_HOT, *(len(set(speakers)) for speakers in published.speakers.values()))
    found: dict[Key, Sequence[object]] = {}
    for key, speakers in published.speakers.items():
        numbers: dict[str, int] = {}
        places = [numbers.setdefault(speaker, len(numbers)) for speaker in speakers]
        found[key] = [[int(place == column) for column in range(width)] for place in places]
    return found
