"""Keys of dicts and members of sets, whose hashes must not collide.

Python compares each new key with all others of the same hash. The hashes of text differ with each start of Python, but
anybody can choose large numbers or tuples that collide, and 100,000 of them take minutes.
"""

from pickle import UnpicklingError
from typing import Final

MOST_ALIKE = 100
"""Maximum number of different keys with one hash."""
MOST_UNKNOWN = 5_000
"""Maximum number of keys that contain values whose hashes are known only once they are created."""
WORD = 2**64
"""Whole numbers below it have at most 16 others with the same hash."""
SAFE: Final = frozenset({type(None), bool, float, str, bytes})
"""Types of which few values, or no values that can be known before, have one hash."""


class Keys:
    """The keys of one pickle."""

    def __init__(self) -> None:
        self._alike: dict[int, list[object]] = {}
        self._unknown = 0

    def check(self, key: object) -> int:
        """Check a key, and return the number of keys that it was compared with.

        Raises:
            UnpicklingError: too many others have the same hash.
        """
        if type(key) in SAFE or (type(key) is int and -WORD < key < WORD):
            return 0
        alike = self._alike.setdefault(hash(key), [])
        if key not in alike:
            if len(alike) == MOST_ALIKE:
                raise UnpicklingError(f"it has more than {MOST_ALIKE} keys that collide, which would take too long")
            alike.append(key)
        return len(alike)

    def check_unknown(self) -> None:
        """Count a key whose hash is unknown.

        Raises:
            UnpicklingError: there are too many.
        """
        self._unknown += 1
        if self._unknown > MOST_UNKNOWN:
            what = "keys that are frozen sets, or tuples of numpy's numbers"
            raise UnpicklingError(f"it has more than {MOST_UNKNOWN} {what}, which could take too long")
