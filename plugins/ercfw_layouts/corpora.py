"""The two corpora that these files hold, and what all of the layouts write alike."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ercfw import InputError, Key, Published

ONE_HOT = 9
"""Width of MELD's speakers, as many as its largest conversation has."""


@dataclass(frozen=True)
class FileForm:
    """How a corpus is written: the dataset's name, what the labels 0, 1, ... mean, and how file names begin."""

    corpus: str
    classes: tuple[str, ...]
    prefix: str


MELD = FileForm("meld", ("neutral", "surprise", "fear", "sadness", "joy", "disgust", "anger"), "MELD")
IEMOCAP = FileForm("iemocap", ("happiness", "sadness", "neutral", "anger", "excitement", "frustration"), "IEMOCAP")


def form_of(keys: Sequence[Key]) -> FileForm | None:
    """The corpus of conversations with these names: IEMOCAP's tell it, MELD's are numbers; None for others."""
    if keys and all(isinstance(key, str) and re.match(r"Ses0[1-5][FM]_", key) for key in keys):
        return IEMOCAP
    return MELD if keys and all(isinstance(key, int) for key in keys) else None


def find_file(path: Path, names: Sequence[str]) -> Path:
    """The file that was named, or the one of these names in the folder that was.

    Raises:
        InputError: there is none, or several.
    """
    if not path.is_dir():
        return path
    found = [path / name for name in names if (path / name).is_file()]
    if not found:
        raise InputError.at(path, f"holds none of {', '.join(names)}", "name the file itself if it is called otherwise")
    if len(found) > 1:
        raise InputError.at(path, f"holds {found[0].name} and {found[1].name}", "name the file")
    return found[0]


def written_speakers(published: Published) -> Mapping[Key, Sequence[object]]:
    """Speakers as the files have them: ``M`` and ``F`` for IEMOCAP, one-hot within the conversation for all others."""
    return _genders(published) if published.corpus == IEMOCAP.corpus else _one_hot(published)


def _genders(published: Published) -> dict[Key, Sequence[object]]:
    """Who speaks is told by the utterance's name, ``Ses01F_impro01_F000``."""
    found: dict[Key, Sequence[object]] = {}
    for key, utterances in published.utterances.items():
        marks = [re.search(r"_([FM])\w*$", id) for id in utterances]
        for mark, id in zip(marks, utterances, strict=True):
            if mark is None:
                where = f"conversation {key}, utterance {id}"
                raise InputError.at(where, "does not tell who speaks", "IEMOCAP's names do: Ses01F_impro01_F000")
        found[key] = [mark[1] for mark in marks if mark]
    return found


def _one_hot(published: Published) -> dict[Key, Sequence[object]]:
    """Speakers numbered by first appearance; as wide as the largest cast needs."""
    width = max(ONE_HOT, *(len(set(speakers)) for speakers in published.speakers.values()))
    found: dict[Key, Sequence[object]] = {}
    for key, speakers in published.speakers.items():
        numbers: dict[str, int] = {}
        places = [numbers.setdefault(speaker, len(numbers)) for speaker in speakers]
        found[key] = [[int(place == column) for column in range(width)] for place in places]
    return found
