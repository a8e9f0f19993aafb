"""The format of MMSA (Mao et al., 2022): one dict per split in one file, with padded frames and sentiment scores."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from ercfw import FileFormat, InputError, Key, Mistake, Published, PublishedScores
from ercfw.pickles import read_pickle
from ercfw_formats.corpora import find_file
from ercfw_formats.mmsa_clips import BETWEEN, CLASSES, SCORES, Clips, clips_of, signs
from ercfw_formats.mmsa_frames import Conversation, read_frames
from ercfw_formats.mmsa_splits import SPLITS, checked_splits, of_each

T = TypeVar("T")
NAMES = ("aligned_50.pkl", "unaligned_50.pkl", "unaligned_39.pkl")
STREAMS = {"text": "text", "audio": "audio", "vision": "visual"}
"""The modality of each of MMSA's keys."""
RANGE, SIMS_RANGE = (-3.0, 3.0), (-1.0, 1.0)


class Mmsa(FileFormat):
    """``aligned_50.pkl``, ``unaligned_50.pkl`` (CMU-MOSI, CMU-MOSEI) or ``unaligned_39.pkl`` (CH-SIMS); read only.

    A dict with ``train``, ``valid`` and ``test``. Each holds ids ``video$_$clip``, texts, scores, classes, and padded
    frames ``[n, T, D]`` of text, audio and vision. A video is a conversation, and a clip is an utterance; clips are
    ordered by their numbers. The files do not name speakers, so each video has one. The token ids of ``text_bert`` are
    not read.

    Scores are the target ``sentiment``, from -3 to 3. In CH-SIMS, whose files also have scores per modality, they are
    from -1 to 1.

    Source: the layout in the README of thuiar/MMSA.
    """

    slots = ("text", "audio", "visual")

    def read(self, path: Path) -> Published:
        """Read the annotations and the frames of a file.

        Raises:
            InputError: the file is missing, cannot be read, or has another format.
        """
        file = find_file(path, NAMES)
        tables = checked_splits(file, read_pickle(file))
        first = next(iter(tables.values()))
        limits = SIMS_RANGE if any(key in first for key in list(SCORES)[1:]) else RANGE
        clips = of_each(tables, lambda split, table: clips_of(f"{file}: {split}", table, limits))
        _warn_of_differing_classes(file, clips)
        conversations = _conversations(file, clips)
        frames = {name: read_frames(file, tables, key, conversations) for key, name in STREAMS.items() if key in first}

        def each(values: Mapping[str, Sequence[T]]) -> dict[Key, Sequence[T]]:
            return {name: [values[split][row] for row in rows] for name, split, rows in conversations}

        names = next(iter(clips.values())).scores
        return Published(
            paths=(file,),
            corpus="table",
            classes=CLASSES,
            lists={SPLITS[split]: [c.name for c in conversations if c.split == split] for split in clips},
            utterances=each({split: of.clips for split, of in clips.items()}),
            speakers=each({split: of.videos for split, of in clips.items()}),
            labels=each({split: of.labels for split, of in clips.items()}),
            sentences=each({split: of.texts for split, of in clips.items()}),
            frames=frames,
            scores={
                name: PublishedScores(each({split: of.scores[name].tolist() for split, of in clips.items()}), limits)
                for name in names
            },
        )


def _conversations(file: Path, clips: Mapping[str, Clips]) -> list[Conversation]:
    """Return the videos of each split, in the order of their first clips; their names begin with the split if needed.

    Raises:
        InputError: a clip is in two splits; the error lists all of them.
    """
    ids = {split: set(zip(of.videos, of.clips, strict=True)) for split, of in clips.items()}
    splits_of: dict[str, set[str]] = {}
    for split, of in clips.items():
        for video in of.videos:
            splits_of.setdefault(video, set()).add(split)
    names = list(clips)
    both = [(first, second) for place, first in enumerate(names) for second in names[place + 1 :]]
    mistakes = [
        Mistake(f"{file}: id", f"'{BETWEEN.join(id)}' is in {first} and in {second}")
        for first, second in both
        for id in sorted(ids[first] & ids[second])
    ]
    if mistakes:
        raise InputError(mistakes)
    shared = [video for video, splits in splits_of.items() if len(splits) > 1]
    if shared:
        warnings.warn(
            f"{file}: video '{shared[0]}' has clips in several splits ({len(shared)} such videos), so the clips of "
            f"each split become a conversation of their own, such as '{SPLITS[names[0]]}/{clips[names[0]].videos[0]}'",
            stacklevel=3,
        )
    found = []
    for split, of in clips.items():
        rows: dict[str, list[int]] = {}
        for row, video in enumerate(of.videos):
            rows.setdefault(video, []).append(row)
        for video, chosen in rows.items():
            name = f"{SPLITS[split]}/{video}" if shared else video
            found.append(Conversation(name, split, sorted(chosen, key=lambda row: int(of.clips[row]))))
    return found


def _warn_of_differing_classes(file: Path, clips: Mapping[str, Clips]) -> None:
    """Warn about classes that are not those of the signs of the scores."""
    differing = [
        f"{of.videos[row]}{BETWEEN}{of.clips[row]}"
        for of in clips.values()
        for row, (label, sign) in enumerate(zip(of.labels, signs(of.scores["sentiment"]), strict=True))
        if label != sign
    ]
    if differing:
        what = f"{len(differing)} classes are not those of the scores' signs; the first is that of '{differing[0]}'"
        warnings.warn(f"{file}: {what}", stacklevel=3)
