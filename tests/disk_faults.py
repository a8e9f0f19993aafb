"""A program that runs ``ercfw`` on a disk that fails: from one change of files on, each change is refused, or kills.

The environment says how: ``FAULT`` is ``kill`` or the number of an error, ``START`` the number of changes before it,
and ``COUNTED`` the file that the number of changes is written to; of several processes, each adds its rank to the name.
What counts as a change is what Python's audit hooks tell: opening a file to write, and making, renaming and removing
files and folders below the working folder.
"""

import os
import signal
import sys
from pathlib import Path

WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = {"os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.truncate", "os.chmod"}


class Disk:
    """An audit hook that counts changes and lets some of them fail."""

    def __init__(self, fault: str, start: int) -> None:
        self.changes = 0
        self._fault, self._start, self._folder = fault, start, Path.cwd()

    def __call__(self, event: str, arguments: tuple[object, ...]) -> None:
        path = _changed(event, arguments)
        if path is None or not (self._folder / path).is_relative_to(self._folder):
            return
        self.changes += 1
        if self.changes <= self._start:
            return
        if self._fault == "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        number = int(self._fault)
        raise OSError(number, os.strerror(number), path)


def _changed(event: str, arguments: tuple[object, ...]) -> str | None:
    """Return the path that an event changes, or None."""
    path = arguments[0] if arguments else None
    if not isinstance(path, str | bytes | os.PathLike):
        return None
    if event == "open":
        flags = arguments[2]
        return os.fsdecode(path) if isinstance(flags, int) and flags & WRITES else None
    return os.fsdecode(path) if event in CHANGES else None


def main() -> None:
    """Run the command line."""
    from ercfw.cli import main as command_line
    from ercfw.report.plots import embedding

    embedding.project = lambda x: x[:, [0, -1]]  # t-SNE takes most of a page's time
    disk = Disk(os.environ["FAULT"], int(os.environ["START"]))
    counted = os.open(os.environ["COUNTED"] + os.environ.get("RANK", ""), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    sys.addaudithook(disk)
    try:
        command_line()
    finally:
        os.write(counted, str(disk.changes).encode())
