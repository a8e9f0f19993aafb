"""The callback by which long work reports its progress."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with the name of the work, how much of it is done, and how much there is."""


def no_progress(name: str, done: int, total: int) -> None:
    """Show nothing: notebooks and Python calls have no progress bar."""
