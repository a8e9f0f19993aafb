"""The callback by which long work reports its progress."""

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

Progress = Callable[[str, int, int], None]
"""Called with the name of the work, how much of it is done, and how much there is."""


def no_progress(name: str, done: int, total: int) -> None:
    """Show nothing: notebooks and Python calls have no progress bar."""


class Steps:
    """Reports the steps of work that has several: the first report comes before the first step.

    Args:
        progress: called after each step.
        name: the name of the work.
        total: the number of steps.
    """

    def __init__(self, progress: Progress, name: str, total: int) -> None:
        self._progress, self._name, self._total = progress, name, total
        self._done = 0
        progress(name, 0, total)

    def __call__(self, made: T) -> T:
        """Count a step as done; return what it made."""
        self._done += 1
        self._progress(self._name, self._done, self._total)
        return made
