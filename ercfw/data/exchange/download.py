"""Files that are fetched from the net: gone on with where they broke off, and checked by their git blob id."""

import hashlib
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from ercfw.contract.public_file import PublicFile
from ercfw.errors import InputError, RunError
from ercfw.system.files import is_file

BLOCK = 2**18
KIB = 1024
TRIES = 3
PAUSE = 1.0
"""Seconds between two tries."""
PATIENCE = 30.0
"""Seconds without a byte after which a server is said to stall."""
POINTER = b"version https://git-lfs"
Progress = Callable[[str, int, int], None]


class _BrokenOffError(Exception):
    """The connection ended, or nothing came for too long: another try may go on."""


def blob_id(path: Path) -> str:
    """What git names a file's content by."""
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def fetch(file: PublicFile, base: str, root: Path, progress: Progress, patience: float = PATIENCE) -> bool:
    """Get a file, unless it is there; what came before the connection broke is kept beside it, and gone on with.

    Args:
        file: which one.
        base: the server's address.
        root: the corpus' folder.
        progress: told of KiB that came, and of how many there are.
        patience: seconds without a byte.

    Returns:
        Whether it was fetched now.

    Raises:
        InputError: another file is in its place, or the address is none.
        RunError: the server cannot be reached, does not have it, or sends something else; the disk is full.
    """
    if not base.startswith(("https://", "http://")):
        raise InputError.at(f"--from {base}", "is no address of a server", "https://...")
    target = root / file.to
    if is_file(target):
        if blob_id(target) == file.blob:
            return False
        raise InputError.at(target, "is there already, and is not the file that is fetched", "move it away")
    url = f"{base.rstrip('/')}/{file.url_path}"
    part = target.with_name(f"{target.name}.part")
    with _writing(part):
        part.parent.mkdir(parents=True, exist_ok=True)
    had_some = is_file(part)
    if not had_some or blob_id(part) != file.blob:
        _receive(url, part, progress, patience)
    if had_some and blob_id(part) != file.blob:  # what was there before may have been of another file
        part.unlink()
        _receive(url, part, progress, patience)
    _check(url, part, file.blob)
    with _writing(target):
        part.replace(target)
    return True


def _check(url: str, part: Path, blob: str) -> None:
    found = blob_id(part)
    if found == blob:
        return
    with part.open("rb") as came:
        is_pointer = came.read(len(POINTER)) == POINTER
    part.unlink()
    what = "only a pointer of git-lfs" if is_pointer else f"another file than was pinned: blob {found}, not {blob}"
    raise RunError(f"{url}: the server sent {what}; it was not kept")


def _receive(url: str, part: Path, progress: Progress, patience: float) -> None:
    """Receive a file to its end, in several tries if need be."""
    for tries in range(1, TRIES + 1):
        try:
            with _open(url, part, patience) as (response, start):
                _write(response, start, part, progress, patience)
            return
        except _BrokenOffError as error:
            if tries == TRIES:
                kept = "; what came is kept, the same command goes on" if is_file(part) else ""
                raise RunError(f"{url}: {error} ({TRIES} tries{kept})") from error
            time.sleep(PAUSE)


@contextmanager
def _open(url: str, part: Path, patience: float) -> Iterator[tuple[HTTPResponse, int]]:
    """The server's answer, and the byte it begins with."""
    have = part.stat().st_size if is_file(part) else 0
    request = Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urlopen(request, timeout=patience) as response:
            goes_on = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
            yield response, have if goes_on else 0
    except HTTPError as error:
        if error.code == 416 and have:  # it is whole, or was longer than the file now is
            part.unlink()
            raise _BrokenOffError("the server has nothing after what was kept") from error
        if error.code >= 500:
            raise _BrokenOffError(f"the server answers {error.code} {error.reason}") from error
        raise RunError(f"{url}: the server answers {error.code} {error.reason}") from error
    except TimeoutError as error:
        raise _BrokenOffError(f"the server stalls: nothing came for {patience:g} s") from error
    except URLError as error:
        reason = getattr(error.reason, "strerror", None) or error.reason
        raise _BrokenOffError(f"the server cannot be reached: {reason}") from error
    except (HTTPException, OSError) as error:
        raise _BrokenOffError(f"the connection broke off: {error}") from error


def _write(response: HTTPResponse, start: int, part: Path, progress: Progress, patience: float) -> None:
    length = response.headers.get("Content-Length", "")
    total = start + int(length) if length.isdecimal() else 0
    done = start
    with _writing(part):
        out = part.open("ab" if start else "wb")
    with out:
        while block := response.read1(BLOCK):
            with _writing(part):
                out.write(block)
                out.flush()
            done += len(block)
            progress(part.stem, done // KIB, max(done, total) // KIB)
    if total and done < total:
        raise _BrokenOffError(f"the connection broke off after {done} of {total} bytes")


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {error.strerror}; what came before is kept") from error
