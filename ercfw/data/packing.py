"""Pack whole conversations into bins of rows, so that computations on padded rows have little padding."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SHARED = 32
"""The width of bins that several conversations may share."""


def pack(sizes: Sequence[int]) -> tuple[NDArray[np.int64], tuple[tuple[int, int], ...]]:
    """Pack conversations into groups of bins; the bins of a group have one width.

    Conversations of up to ``SHARED`` utterances share bins. A longer conversation gets a bin of its own. Its group
    holds conversations that differ in length by less than a factor of two. So fewer than about half of all slots
    are empty.

    Args:
        sizes: the number of utterances of each of the B conversations.

    Returns:
        The slot of the first utterance of each conversation ``[B]``, numbered through all bins; and for each group
        the number of its bins and their width.
    """
    lengths = np.array(sizes, dtype=np.int64)  # [B]
    doublings = np.ceil(np.log2(np.maximum(lengths, SHARED) / SHARED))  # [B]
    first = np.zeros(len(lengths), dtype=np.int64)  # [B]
    groups, slots = [], 0
    for doubling in np.unique(doublings):
        members = np.flatnonzero(doublings == doubling)
        bins, offsets = _best_fit(lengths[members].tolist(), max(SHARED, int(lengths[members].max())))
        count, width = int(bins.max()) + 1, int((offsets + lengths[members]).max())
        first[members] = slots + bins * width + offsets
        groups.append((count, width))
        slots += count * width
    return first, tuple(groups)


def _best_fit(sizes: Sequence[int], width: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Put each conversation, largest first, into the fullest bin with room.

    Return the bin of each conversation and its offset in that bin, ``[len(sizes)]`` each.
    """
    bins, offsets = np.zeros(len(sizes), dtype=np.int64), np.zeros(len(sizes), dtype=np.int64)
    with_room: list[list[int]] = [[] for _ in range(width + 1)]
    opened = 0
    for number in sorted(range(len(sizes)), key=lambda n: -sizes[n]):
        size = sizes[number]
        room = next((room for room in range(size, width) if with_room[room]), width)
        if room == width:
            with_room[width].append(opened)
            opened += 1
        bins[number], offsets[number] = with_room[room].pop(), width - room
        with_room[room - size].append(int(bins[number]))
    return bins, offsets
