"""Whole conversations fitted into bins of rows, so that what runs on padded rows has few of them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

SHARED = 32
"""Rows of a bin that several conversations may share."""


def fit(sizes: Sequence[int]) -> tuple[NDArray[np.int64], tuple[tuple[int, int], ...]]:
    """Conversations of up to ``SHARED`` utterances share bins; a longer one has its own, as wide as the longest
    of those less than twice as long as each other. So of all slots less than about half are empty.

    Args:
        sizes: utterances of each conversation, B of them.

    Returns:
        The slot of each conversation's first utterance ``[B]``, counted through all bins; and for each group
        of bins how many there are, and their width.
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
    """Largest first, each into the fullest bin that has room: its bin and its place there, ``[len(sizes)]`` each."""
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
