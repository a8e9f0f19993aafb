"""Faces followed over the frames of a clip by place and identity, and tracks grouped by person.

Shapes: F frames of a clip, K faces of a frame, R tracks, P people, identity vectors of width 128.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from ercfw_media.faces import SAME_FACE, Face, widened
from ercfw_media.mtcnn import overlaps

SAME_PICTURE = 0.6
"""The largest distance of two pictures of a person, by dlib's authors."""
SAME_PERSON = 0.5
"""The largest mean distance of the tracks of a person, which are closer than single pictures: each is a mean."""
NEVER = 1e6
"""In place of the distance of tracks that cannot be one person."""

Vectors = NDArray[np.floating]


@dataclass
class Track:
    """A face in the frames of a clip.

    Attributes:
        faces: the face, by the number of the frame.
        vectors: the identity vectors ``[128]`` of these faces.
    """

    faces: dict[int, Face] = field(default_factory=dict)
    vectors: list[Vectors] = field(default_factory=list)

    @property
    def mean(self) -> Vectors:
        """Return the mean identity vector ``[128]``."""
        mean: Vectors = np.mean(self.vectors, 0)
        return mean

    @property
    def last(self) -> Face:
        """Return the face in the last frame that shows it."""
        return self.faces[max(self.faces)]


def follow(faces: Sequence[Sequence[Face]], vectors: Sequence[Vectors]) -> list[Track]:
    """Return the tracks of a clip.

    A face continues a track that was last seen in about the same place and whose mean identity vector is near. Of all
    ways to link the faces of a frame, the one with the most links is taken, and of these the one with the smallest sum
    of distances. A track may pause. After a cut, a person begins a new track.

    Args:
        faces: the faces of each frame.
        vectors: the identity vectors of each frame's faces, ``[K, 128]``.
    """
    tracks: list[Track] = []
    for number, (here, seen) in enumerate(zip(faces, vectors, strict=True)):
        links = _links(here, seen, tracks)
        for place, face in enumerate(here):
            if place not in links:
                tracks.append(Track())
            track = tracks[links.get(place, -1)]
            track.faces[number] = face
            track.vectors.append(seen[place])
    return tracks


def _links(faces: Sequence[Face], vectors: Vectors, tracks: Sequence[Track]) -> dict[int, int]:
    """Return the number of the track that each face continues, by the place of the face."""
    if not faces or not tracks:
        return {}
    from scipy.optimize import linear_sum_assignment
    from scipy.spatial.distance import cdist

    shares = overlaps(widened(faces), widened([track.last for track in tracks])).numpy()  # [K, R]
    distances = cdist(vectors, [track.mean for track in tracks])  # [K, R]
    may = (shares >= SAME_FACE) & (distances <= SAME_PICTURE)  # [K, R]
    rows, columns = linear_sum_assignment(np.where(may, distances, NEVER))
    return {int(row): int(column) for row, column in zip(rows, columns, strict=True) if may[row, column]}


def people(clips: Sequence[Sequence[Track]]) -> list[list[int]]:
    """Return the number of the person that each track shows, for the tracks of several clips.

    Tracks are grouped by average linkage (Sokal and Michener, 1958) of their mean identity vectors. Two faces of one
    frame are never one person.
    """
    tracks = [track for clip in clips for track in clip]
    if len(tracks) < 2:
        return [[0] * len(clip) for clip in clips]
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import cdist, squareform

    means = np.array([track.mean for track in tracks])  # [R, 128]
    distances = cdist(means, means)  # [R, R]
    begin = 0
    for clip in clips:
        for row, one in enumerate(clip):
            for column, other in enumerate(clip):
                if row != column and one.faces.keys() & other.faces.keys():
                    distances[begin + row, begin + column] = NEVER
        begin += len(clip)
    tree = linkage(squareform(distances, checks=False), "average")
    numbers = iter((fcluster(tree, SAME_PERSON, "distance") - 1).tolist())
    return [[next(numbers) for _ in clip] for clip in clips]
