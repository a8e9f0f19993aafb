"""IEMOCAP as its makers hand it out: transcriptions, evaluations and recordings of five sessions.

Made from the corpus' documentation and from what is published about its files; the corpus itself was not at hand.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from ercfw import Clip, InputError, Mistake
from ercfw_datasets.annotations import Record
from ercfw_datasets.clips import fault_of, only_there, tell
from ercfw_datasets.csv_file import read_utf8
from ercfw_datasets.iemocap_labels import class_of

SESSIONS = tuple(f"Session{number}" for number in range(1, 6))
DIALOG = re.compile(r"Ses0[1-5][FM]_\w+")
UTTERANCE = re.compile(r"(Ses0[1-5][FM]_\w+)_([FM])\d+")
"""Its dialog, and who speaks; ``FXX0`` and ``MXX0`` (laughter, breathing) are no utterances."""
EVALUATION = re.compile(r"\[(\d+\.?\d*) - (\d+\.?\d*)\]\s+(\S+)\s+(\w+)\s+\[.*\]")
TRANSCRIPTION = re.compile(r"(\S+) \[[\d.]+-[\d.]+\]:(.*)")


def is_release(root: Path) -> bool:
    """Whether sessions lie in this folder."""
    return any((root / session).is_dir() for session in SESSIONS)


def read_release(root: Path) -> tuple[list[Record], list[Path]]:
    """The evaluated utterances, dialog after dialog, each in the order in which they begin, and the files read.

    Args:
        root: the folder with ``Session1`` to ``Session5``, or some of them.

    Raises:
        InputError: a session has no evaluations, or a file is missing or damaged.
    """
    evaluations = [path for session in SESSIONS if (root / session).is_dir() for path in _evaluations(root / session)]
    mistakes: list[Mistake] = []
    silent: list[str] = []
    unjudged: list[str] = []
    records: list[Record] = []
    for path in evaluations:
        evaluated = list(_read_evaluations(path, mistakes))
        texts = dict(_read_transcriptions(_transcriptions_of(path)))
        silent += [record.id[1] for record in evaluated if record.id[1] not in texts]
        unjudged += sorted(texts.keys() - {record.id[1] for record in evaluated})
        spoken = [replace(record, text=texts.get(record.id[1], "")) for record in evaluated]
        records += sorted(spoken, key=lambda record: (record.time, record.id))
    if mistakes:
        raise InputError(mistakes)
    if silent:
        tell("IEMOCAP", "utterances without a transcription, whose text is empty", silent)
    if unjudged:
        tell("IEMOCAP", "utterances without an evaluation, which are left out", unjudged)
    return _with_clips(root, records), [*evaluations, *map(_transcriptions_of, evaluations)]


def _evaluations(session: Path) -> list[Path]:
    folder = session / "dialog" / "EmoEvaluation"
    found = sorted(path for path in folder.glob("Ses*.txt") if DIALOG.fullmatch(path.stem))
    if not found:
        raise InputError.at(folder, "holds no evaluations", "such as Ses01F_impro01.txt")
    return found


def _transcriptions_of(evaluations: Path) -> Path:
    return evaluations.parents[1] / "transcriptions" / evaluations.name


def _lines(path: Path) -> Iterable[tuple[str, str]]:
    """Where each line stands, and the line."""
    text = read_utf8(path).decode("utf-8-sig")
    return ((f"{path}, line {number}", line.strip()) for number, line in enumerate(text.split("\n"), 1))


def _read_evaluations(path: Path, mistakes: list[Mistake]) -> Iterator[Record]:
    """One a summary line, ``[6.2901 - 8.2357] Ses01F_impro01_F000 neu [2.5, 2.5, 2.5]``, without its text.

    The other lines are those of the single annotators.
    """
    for where, line in _lines(path):
        if not line.startswith("["):
            continue
        found = EVALUATION.fullmatch(line)
        utterance = UTTERANCE.fullmatch(found[3]) if found else None
        if not found or not utterance or utterance[1] != path.stem or not float(found[1]) < float(found[2]):
            mend = f"[start - end] {path.stem}_F000 neu [valence, activation, dominance]"
            mistakes.append(Mistake(where, f"is no evaluation: {line}", mend))
            continue
        yield Record(
            where=where,
            id=(path.stem, found[3]),
            speaker=f"{path.stem[:5]}_{utterance[2]}",
            text="",
            label=class_of(found[4]),
            time=(float(found[1]), float(found[2])),
        )


def _read_transcriptions(path: Path) -> Iterator[tuple[str, str]]:
    """Utterance and text of each line ``Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.`` or the like."""
    for _, line in _lines(path):
        found = TRANSCRIPTION.fullmatch(line)
        if found and UTTERANCE.fullmatch(found[1]):
            yield found[1], found[2].strip()


def _with_clips(root: Path, records: Sequence[Record]) -> list[Record]:
    """The records with their clips; what is missing is told of where some are there.

    A clip is a stretch of its dialog's video, else the sentence's own sound, else a stretch of the dialog's.
    """
    dialogs = dict.fromkeys(record.id[0] for record in records)
    videos = {dialog: _dialog(root, dialog) / "avi" / "DivX" / f"{dialog}.avi" for dialog in dialogs}
    filmed = {dialog for dialog, video in videos.items() if fault_of(video) is None}
    clipped = [
        replace(record, clip=_cut(videos[record.id[0]], record) if record.id[0] in filmed else _sound(root, record))
        for record in records
    ]
    without = [dialog for dialog in dialogs if dialog not in filmed]
    if filmed and without:
        tell("IEMOCAP", "dialogs without a video, of which the sound is taken if it is there", without)
    if not filmed and not any(record.clip is not None and fault_of(record.clip.path) is None for record in clipped):
        return list(records)
    return only_there("IEMOCAP", clipped)


def _dialog(root: Path, dialog: str) -> Path:
    return root / f"Session{dialog[4]}" / "dialog"


def _cut(video: Path, record: Record) -> Clip:
    """The half of the picture that shows the speaker, while they speak.

    The actor with the markers, after whom the dialog is named (``Ses01F``), is on the left, and the other one
    on the right: so say four public programs that cut these videos (Kansizoglou et al., 2019, is one); a fifth
    has women on the left always. It was not looked at in the videos.
    """
    assert record.time is not None
    marked = record.id[0][5] == record.speaker[-1]
    return Clip(video, *record.time, half="left" if marked else "right")


def _sound(root: Path, record: Record) -> Clip:
    dialog, utterance = record.id
    sentence = root / f"Session{dialog[4]}" / "sentences" / "wav" / dialog / f"{utterance}.wav"
    whole = _dialog(root, dialog) / "wav" / f"{dialog}.wav"
    assert record.time is not None
    return Clip(whole, *record.time) if fault_of(sentence) and not fault_of(whole) else Clip(sentence)
