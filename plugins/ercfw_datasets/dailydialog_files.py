"""DailyDialog's text files: one dialogue per line, and its emotions and dialogue acts in files of the same form."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from sys import intern

from ercfw import InputError, Mistake, Split, UtteranceId, is_file
from ercfw_datasets.annotations import Record
from ercfw_datasets.clips import warn_of
from ercfw_datasets.source_files import text_of
from ercfw_datasets.unpacked import first_below

SEPARATOR = "__eou__"
SPEAKERS = ("A", "B")
EMOTIONS = tuple(map(str, range(7)))
ACTS = tuple(map(str, range(1, 5)))
NAMES: Mapping[Split, str] = {"train": "train", "dev": "validation", "test": "test"}
"""The corpus' name of each split."""
UNSPLIT = "dialogues_text.txt"

Numbers = list[list[str]]
"""The numbers of each dialogue."""


@dataclass(frozen=True)
class SplitFiles:
    """The files of one split.

    Attributes:
        texts: the dialogues.
        emotions: the numbers of their emotions.
        acts: the numbers of their dialogue acts; None = these are not read.
    """

    texts: Path
    emotions: Path
    acts: Path | None

    @property
    def paths(self) -> tuple[Path, ...]:
        """Return every file that is read."""
        return (self.texts, self.emotions) if self.acts is None else (self.texts, self.emotions, self.acts)


@dataclass(frozen=True)
class SplitUtterances:
    """The utterances of one split.

    Attributes:
        records: the utterances; their labels are the numbers of the emotions.
        acts: the number of the dialogue act of each utterance; empty if these are not read.
    """

    records: list[Record]
    acts: Mapping[UtteranceId, str]


def find_split_files(root: Path, acts: bool) -> dict[Split, SplitFiles]:
    """Return the files of each split: those below the folder, or where they should be.

    Args:
        root: the folder.
        acts: whether the dialogue acts are read.

    Raises:
        InputError: if the folder contains only the file of all dialogues, which has no splits.
    """
    found = {
        split: SplitFiles(
            texts=_find(root, name, f"dialogues_{name}.txt"),
            emotions=_find(root, name, f"dialogues_emotion_{name}.txt"),
            acts=_find(root, name, f"dialogues_act_{name}.txt") if acts else None,
        )
        for split, name in NAMES.items()
    }
    unsplit = first_below(root, UNSPLIT, is_file)
    if unsplit is not None and not any(is_file(files.texts) for files in found.values()):
        what = "contains all dialogues, but not their splits"
        hint = "unpack train.zip, validation.zip and test.zip, which contain files such as dialogues_train.txt"
        raise InputError.at(unsplit, what, hint)
    return found


def _find(root: Path, folder: str, name: str) -> Path:
    return first_below(root, name, is_file) or root / folder / name


def read_split(split: Split, files: SplitFiles) -> SplitUtterances:
    """Return the utterances of a split; speakers alternate, and a dialogue is named by its place, such as ``train/12``.

    Raises:
        InputError: if a file cannot be read, a line is empty, the files differ in their lines or in the utterances of a
            line, or a number is not that of an emotion or act. It holds all mistakes of the split.
    """
    lines = _lines(files.texts)
    texts = [_utterances(line) for line in lines]
    empty = [f"{files.texts}, line {number}" for number, line in enumerate(lines, 1) if not line]
    mistakes = [Mistake(where, "is empty", "write one dialogue per line") for where in empty]
    emotions = _read_numbers(files.emotions, EMOTIONS, files.texts, texts, mistakes)
    acts = [] if files.acts is None else _read_numbers(files.acts, ACTS, files.texts, texts, mistakes)
    if mistakes:
        raise InputError(mistakes)
    unended = [str(number) for number, line in enumerate(lines, 1) if not line.endswith(SEPARATOR)]
    if unended:
        warn_of(str(files.texts), f"lines that do not end with {SEPARATOR}", unended)
    records = [
        Record(
            where=f"{files.texts}, line {place + 1}",
            id=(name, str(turn)),
            speaker=SPEAKERS[turn % 2],
            text=text,
            label=emotion,
        )
        for place, utterances in enumerate(texts)
        for name in [intern(f"{split}/{place}")]
        for turn, (text, emotion) in enumerate(zip(utterances, emotions[place], strict=True))
    ]
    flat = [number for of_dialogue in acts for number in of_dialogue]
    return SplitUtterances(records, {record.id: act for record, act in zip(records, flat, strict=False)})


def _lines(path: Path) -> list[str]:
    """Return the lines of a file, without empty ones at its end.

    Raises:
        InputError: if the file cannot be read, or contains no line.
    """
    lines = [line.strip() for line in text_of(path).rstrip().split("\n")]
    if lines == [""]:
        raise InputError.at(path, "is empty", "write one line per dialogue")
    return lines


def _utterances(line: str) -> list[str]:
    """Return the utterances of a line; what follows the last separator is one, unless it is empty."""
    utterances = [text.strip() for text in line.split(SEPARATOR)]
    return utterances if utterances[-1] else utterances[:-1]


def _read_numbers(
    path: Path, known: Sequence[str], texts_path: Path, texts: Sequence[Sequence[str]], mistakes: list[Mistake]
) -> Numbers:
    """Return the numbers of each dialogue, and add what is wrong with them to the mistakes.

    Args:
        path: the file of numbers.
        known: the numbers that mean something.
        texts_path: the file of the dialogues.
        texts: the utterances of each dialogue.
        mistakes: is extended.

    Raises:
        InputError: if the file cannot be read, or contains no line.
    """
    numbers = [line.split() for line in _lines(path)]
    mistakes += [
        Mistake(f"{path}, line {line}", f"'{number}' is not one of the numbers", f"{known[0]} to {known[-1]}")
        for line, of_dialogue in enumerate(numbers, 1)
        for number in dict.fromkeys(of_dialogue)
        if number not in known
    ]
    differing = [
        Mistake(
            f"{path}, line {line}",
            f"has {len(of_dialogue)} numbers, but line {line} of {texts_path.name} has {len(utterances)} utterances",
            "write one number per utterance",
        )
        for line, (of_dialogue, utterances) in enumerate(zip(numbers, texts, strict=False), 1)
        if len(of_dialogue) != len(utterances) and utterances
    ]
    if len(numbers) == len(texts):
        mistakes += differing
        return numbers
    hint = f"the first line that does not fit is {differing[0].where.rsplit(' ', 1)[1]}" if differing else ""
    what = f"has {len(numbers)} lines, but {texts_path.name} has {len(texts)}"
    mistakes.append(Mistake(str(path), what, hint or "write one line per dialogue"))
    return numbers
