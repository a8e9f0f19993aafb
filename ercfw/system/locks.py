"""Lock files, which let one process at a time work on something, also if several machines share the disk."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, SoftFileLock, Timeout

from ercfw.errors import InputError


@contextmanager
def locked(path: Path, where: Path, what: str, hint: str) -> Iterator[None]:
    """Hold a lock during the block; the system releases the lock of a process that dies.

    Args:
        path: the lock file; its folder must exist.
        where: the place to name if another process holds the lock.
        what: what that process does.
        hint: what the user can do.

    Raises:
        InputError: another process holds the lock.
        OSError: the lock file cannot be created.
    """
    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout as error:
        if isinstance(lock, SoftFileLock):  # some network disks cannot tell whether a process of another machine died
            hint = f"{hint}; if there is no such process any more, delete {path}"
        raise InputError.at(where, what, hint) from error
    try:
        yield
    finally:
        # Before the release: filelock detects a deleted lock. One that cannot be deleted is unlocked all the same.
        with suppress(OSError):
            path.unlink(missing_ok=True)
        lock.release()
