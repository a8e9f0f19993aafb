"""Find files, write them completely or not at all, and compute their hashes."""

import errno
import hashlib
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

from ercfw.errors import InputError, RunError

NAME_START = 40
"""Number of characters of a name that the name of a temporary file keeps."""


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary file beside ``path`` and move it to ``path`` when the block ends without an exception.

    Raises:
        RunError: the folder or the file cannot be written.
    """
    # Random, since processes in two containers may have the same number; and shorter than the longest possible name.
    temporary = path.with_name(f".{path.name[:NAME_START]}.{secrets.token_hex(8)}.tmp")
    with _writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch(exist_ok=False)
    try:
        with _writing(path):
            mode = temporary.stat().st_mode & 0o777
            yield temporary
            temporary.chmod(mode)  # safetensors creates files that other users cannot read
            temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink()


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise RunError(f"{path}: cannot be written: {getattr(error, 'strerror', None) or error}") from error


def still_there(folder: Path) -> None:
    """Check that a folder that this process created still exists.

    Raises:
        RunError: the folder was removed.
    """
    if not folder.is_dir():
        raise RunError(f"{folder}: was removed during the run")


def is_file(path: Path) -> bool:
    """Return whether there is such a file; False also for names that no file can have.

    Raises:
        InputError: something is there, but cannot be reached; see ``is_there``.
    """
    mode = _mode(path)
    return mode is not None and stat.S_ISREG(mode)


def is_folder(path: Path) -> bool:
    """Return whether there is such a folder; False also for names that no folder can have.

    Raises:
        InputError: something is there, but cannot be reached or listed; see ``is_there``.
    """
    mode = _mode(path)
    if mode is None or not stat.S_ISDIR(mode):
        return False
    if not os.access(path, os.R_OK | os.X_OK):
        raise InputError.at(path, f"cannot be read: {os.strerror(errno.EACCES)}")
    return True


def is_there(path: Path) -> bool:
    """Return whether anything is at this place.

    Raises:
        InputError: it cannot be known, because a link leads nowhere or in a circle, or a folder cannot be read.
    """
    return _mode(path) is not None


def _mode(path: Path) -> int | None:
    """Return the kind and permissions of what is at a place; None if nothing is."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        for place in (path, *path.parents):
            if place.is_symlink() and not place.exists():
                what = f"is a link to {place.readlink()}, which does not exist"
                raise InputError.at(place, what, "is its disk mounted?") from None
        return None
    except ValueError:
        return None
    except OSError as error:
        if error.errno in (errno.ENAMETOOLONG, errno.EINVAL):
            return None
        raise InputError.unreadable(path, error) from error


def check_regular(path: Path) -> None:
    """Check that a file is neither a pipe nor a device: reading one may never end.

    Raises:
        OSError: it is one, or there is no such file.
    """
    mode = path.stat().st_mode
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # opening a folder fails with a message of its own
        raise OSError(errno.EINVAL, "is a pipe or a device, not a file", str(path))


def read_bytes(path: Path) -> bytes:
    """Return the content of a file.

    Raises:
        OSError: it cannot be read, or is a pipe or a device.
    """
    check_regular(path)
    return path.read_bytes()


def write_text(path: Path, text: str) -> None:
    """Write a text file, completely or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def sha256(path: Path) -> str:
    """Return the SHA-256 hash of a file's content.

    Raises:
        OSError: it cannot be read, or is a pipe or a device.
    """
    check_regular(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
