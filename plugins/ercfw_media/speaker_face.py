"""Which face of each utterance is the speaker's: the person who is there when this speaker talks, not when others do.

Shapes: U utterances, P people.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ercfw_media.face_tracks import Track, people
from ercfw_media.faces import Face, main_track, prominence

Chosen = list[list[Face]]
"""The chosen face of each frame, in a list of its own; an empty list where it is not seen."""
DIGITS = 6
"""Decimal places to which shares of frames are compared, so that rounding breaks no tie."""


@dataclass(frozen=True)
class ClipFaces:
    """The faces of a clip.

    Attributes:
        faces: the faces of each of its F frames.
        tracks: the same faces, followed over the frames.
        size: width and height of the frames.
    """

    faces: list[list[Face]]
    tracks: list[Track]
    size: tuple[int, int]


def speaker_faces(clips: Sequence[ClipFaces | None], speakers: Sequence[str]) -> list[Chosen]:
    """Return the faces of the speaker in each utterance of a conversation.

    For a person p and a speaker s, let m(p, s) be the share of frames that show p, averaged over the utterances of s,
    and n(p, s) the same over the utterances of all others, or 0 if there are none. The person of an utterance is, of
    those seen in it, the one with the largest excess m(p, s) - n(p, s); of equal ones the most prominent, by the sum
    over the frames. A person with an excess below 0 is seen rather when others talk, and is never chosen. In a single
    utterance nobody recurs: it gets its main track, as ``main_track`` finds it.

    Args:
        clips: the faces of each utterance; None where there is no clip that can be read. These count nowhere.
        speakers: the speaker of each utterance.
    """
    seen = [clip for clip in clips if clip is not None]
    if len(seen) == 1:
        return [[] if clip is None else _main(clip) for clip in clips]
    numbers = iter(people([clip.tracks for clip in seen]))
    shown = [[] if clip is None else next(numbers) for clip in clips]
    shares = np.zeros((len(clips), 1 + max((person for here in shown for person in here), default=0)))  # [U, P]
    for row, (clip, here) in enumerate(zip(clips, shown, strict=True)):
        if clip is not None:
            for track, person in zip(clip.tracks, here, strict=True):
                shares[row, person] += len(track.faces) / len(clip.faces)
    readable = np.array([clip is not None for clip in clips])  # [U]
    excess = {
        name: _excess(shares[readable], np.array([name == other for other in speakers])[readable])
        for name in set(speakers)
    }
    return [
        [] if clip is None else _of_utterance(clip, here, excess[speaker])
        for clip, here, speaker in zip(clips, shown, speakers, strict=True)
    ]


def _main(clip: ClipFaces) -> Chosen:
    return [[face] if face else [] for face in main_track(clip.faces, clip.size)]


def _excess(shares: NDArray[np.float64], own: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return how much more each person is seen when the speaker talks than when others do, ``[P]``."""
    mine, others = (shares[rows].sum(0) / max(1, rows.sum()) for rows in (own, ~own))
    excess: NDArray[np.float64] = (mine - others).round(DIGITS)
    return excess


def _of_utterance(clip: ClipFaces, shown: Sequence[int], excess: NDArray[np.float64]) -> Chosen:
    weight: dict[int, float] = {}
    for track, person in zip(clip.tracks, shown, strict=True):
        more = sum(prominence(face, clip.size) for face in track.faces.values())
        weight[person] = weight.get(person, 0.0) + more
    best = max(weight, key=lambda person: (excess[person], weight[person]), default=None)
    chosen: Chosen = [[] for _ in clip.faces]
    if best is not None and excess[best] >= 0:
        for track, person in zip(clip.tracks, shown, strict=True):
            for number, face in track.faces.items() if person == best else ():
                chosen[number] = [face]
    return chosen
