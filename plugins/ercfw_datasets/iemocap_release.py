"""IEMOCAP as its makers distribute it: transcriptions, evaluations and recordings of five sessions.

This reader was written from the corpus' documentation and from what is published about its files. The corpus itself was
not available.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Literal

from ercfw import Clip, InputError, Mistake, is_folder
from ercfw_datasets.annotations import Record
from ercfw_datasets.class_choice import ClassChoice
from ercfw_datasets.clips import fault_of, only_there, warn_of
from ercfw_datasets.simulated_targets import AFFECT
from ercfw_datasets.source_files import text_of
from ercfw_datasets.unpacked import folders_below

SESSIONS = tuple(f"Session{number}" for number in range(1, 6))
DIALOG = re.compile(r"Ses0[1-5][FM]_\w+")
UTTERANCE = re.compile(r"(Ses0[1-5][FM]_\w+)_([FM])\d+")
"""The dialog of an utterance, and its speaker; ``FXX0`` and ``MXX0`` (laughter, breathing) are not utterances."""
EVALUATION = re.compile(r"\[(\d+\.?\d*) - (\d+\.?\d*)\]\s+(\S+)\s+(\w+)\s+\[(.*)\]")
TRANSCRIPTION = re.compile(r"(\S+) \[([\d.]+)-([\d.]+)\]:(.*)")


def find_release(root: Path) -> Path | None:
    """Return the folder that contains the sessions: the root or one below it, such as ``IEMOCAP_full_release``."""
    return next((place for place in folders_below(root) if any(is_folder(place / s) for s in SESSIONS)), None)


def read_release(
    root: Path, choice: ClassChoice, context: Literal["all"] | None = None
) -> tuple[list[Record], list[Path]]:
    """Return the evaluated utterances, and the files that were read.

    Utterances come dialog by dialog and, within one, in the order in which they begin.

    Args:
        root: the folder with ``Session1`` to ``Session5``, or some of them.
        choice: the classes.
        context: ``all`` adds the utterances without an evaluation, unlabelled, if their times are known.

    Raises:
        InputError: if a session has no evaluations, or a file is missing or damaged.
    """
    evaluations = [path for session in SESSIONS if is_folder(root / session) for path in _evaluations(root / session)]
    mistakes: list[Mistake] = []
    untranscribed: list[str] = []
    unevaluated: list[str] = []
    records: list[Record] = []
    for path in evaluations:
        evaluated = list(_read_evaluations(path, mistakes))
        said = {record.id[1]: record for record in _read_transcriptions(_transcriptions_of(path))}
        untranscribed += [record.id[1] for record in evaluated if record.id[1] not in said]
        others = [said[id] for id in sorted(said.keys() - {record.id[1] for record in evaluated})]
        added = [record for record in others if context == "all" and record.time is not None]
        unevaluated += [record.id[1] for record in others if context is None or record.time is None]
        spoken = [replace(r, text=said[r.id[1]].text if r.id[1] in said else "") for r in evaluated]
        records += sorted([*spoken, *added], key=lambda record: (record.time, record.id))
    if mistakes:
        raise InputError(mistakes)
    if untranscribed:
        warn_of("IEMOCAP", "utterances without a transcription, whose text is empty", untranscribed)
    if unevaluated:
        warn_of("IEMOCAP", "utterances without an evaluation, which are left out", unevaluated)
    return _with_clips(root, choice.of(records)), [*evaluations, *map(_transcriptions_of, evaluations)]


def _evaluations(session: Path) -> list[Path]:
    folder = session / "dialog" / "EmoEvaluation"
    found = sorted(path for path in folder.glob("Ses*.txt") if DIALOG.fullmatch(path.stem))
    if not found:
        raise InputError.missing(folder, "contains no evaluations", "files such as Ses01F_impro01.txt")
    return found


def _transcriptions_of(evaluations: Path) -> Path:
    return evaluations.parents[1] / "transcriptions" / evaluations.name


def _lines(path: Path) -> Iterable[tuple[str, str]]:
    """Return the place (``file, line 7``) and the text of each line."""
    lines = text_of(path).split("\n")
    return ((f"{path}, line {number}", line.strip()) for number, line in enumerate(lines, 1))


def _read_evaluations(path: Path, mistakes: list[Mistake]) -> Iterator[Record]:
    """Yield a record without text for each summary line of a file of evaluations.

    A summary line looks like ``[6.2901 - 8.2357] Ses01F_impro01_F000 neu [2.5, 2.5, 2.5]``. Its last three numbers are
    the annotators' mean valence, activation and dominance, from 1 to 5. The other lines are those of single
    annotators.
    """
    for where, line in _lines(path):
        if not line.startswith("["):
            continue
        found = EVALUATION.fullmatch(line)
        utterance = UTTERANCE.fullmatch(found[3]) if found else None
        if not found or not utterance or utterance[1] != path.stem or not float(found[1]) < float(found[2]):
            hint = f"[start - end] {path.stem}_F000 neu [valence, activation, dominance]"
            mistakes.append(Mistake(where, f"is not an evaluation: {line}", hint))
            continue
        yield Record(
            where=where,
            id=(path.stem, found[3]),
            speaker=f"{path.stem[:5]}_{utterance[2]}",
            text="",
            label=found[4],
            time=(float(found[1]), float(found[2])),
            affect=_affect(found[5]),
        )


def _affect(numbers: str) -> tuple[float, ...]:
    """Return valence, activation and dominance; empty if they are not three numbers."""
    try:
        found = tuple(float(number) for number in numbers.split(","))
    except ValueError:
        return ()
    return found if len(found) == len(AFFECT.names) else ()


def _read_transcriptions(path: Path) -> Iterator[Record]:
    """Yield an unlabelled record for each line of an utterance; its time is None if it is invalid.

    A line looks like ``Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me.``
    """
    for where, line in _lines(path):
        found = TRANSCRIPTION.fullmatch(line)
        utterance = UTTERANCE.fullmatch(found[1]) if found else None
        if found and utterance:
            yield Record(
                where=where,
                id=(path.stem, found[1]),
                speaker=f"{path.stem[:5]}_{utterance[2]}",
                text=found[4].strip(),
                time=_time(found[2], found[3]) if utterance[1] == path.stem else None,
            )


def _time(start: str, end: str) -> tuple[float, float] | None:
    try:
        time = float(start), float(end)
    except ValueError:
        return None
    return time if time[0] < time[1] else None


def _with_clips(root: Path, records: Sequence[Record]) -> list[Record]:
    """Return the records with their clips; warn about missing ones if there are any clips at all.

    A clip is a stretch of the dialog's video. If there is no video, it is the sentence's own sound, or else a stretch
    of the dialog's sound.
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
        warn_of("IEMOCAP", "dialogs without a video, whose sound is used if it exists", without)
    if not filmed and not any(record.clip is not None and fault_of(record.clip.path) is None for record in clipped):
        return list(records)
    return only_there("IEMOCAP", clipped)


def _dialog(root: Path, dialog: str) -> Path:
    return root / f"Session{dialog[4]}" / "dialog"


def _cut(video: Path, record: Record) -> Clip:
    """Return the half of the picture that shows the speaker, while they speak.

    The actor with the markers, after whom the dialog is named (``Ses01F``), is on the left, and the other one on the
    right. Four public programs that cut these videos agree on this (one is Kansizoglou et al., 2019); a fifth always
    has women on the left. This was not checked in the videos.
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
