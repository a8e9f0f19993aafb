"""Download files: resume after an interruption, and verify the content by its git blob id."""

import hashlib
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from ercfw.contract.public_file import PublicFile
from ercfw.errors import InputError, RunError
from ercfw.system.files import is_file
from ercfw.system.locks import locked
from ercfw.system.progress import Progress

BLOCK = 2**18
KIB = 1024
TRIES = 3
PAUSE = 1.0
"""Seconds between two tries."""
TIMEOUT = 30.0
"""Seconds without a byte after which a try fails."""
POINTER = b"version https://git-lfs"


class _ConnectionLostError(Exception):
    """The connection ended or timed out; another try may resume."""


def blob_id(path: Path) -> str:
    """Compute the git blob id of a file."""
    digest = hashlib.sha1(b"blob %d\0" % path.stat().st_size, usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
    return digest.hexdigest()


def fetch(file: PublicFile, base: str, root: Path, progress: Progress, timeout: float = TIMEOUT) -> bool:
    """Download a file unless it already exists; an interrupted download is resumed from its ``.part`` file.

    Args:
        file: the file.
        base: the address of the server.
        root: the folder of the corpus.
        progress: called with the number of KiB received and their total.
        timeout: the number of seconds without a byte after which a try fails.

    Returns:
        Whether the file was downloaded by this call.

    Raises:
        InputError: another file is in its place, another process is downloading it, or the address is invalid.
        RunError: the server cannot be reached, does not have the file, or sends another one; or the disk is full.
    """
    if not base.startswith(("https://", "http://")):
        raise InputError.at(f"--from {base}", "is not the address of a server", "https://...")
    target = root / file.to
    if is_file(target):
        if blob_id(target) == file.blob:
            return False
        raise InputError.at(target, "already exists and is another file than the one to download", "move it away")
    url = f"{base.rstrip('/')}/{file.url_path}"
    part = target.with_name(f"{target.name}.part")
    with ExitStack() as held:
        with _writing(part):
            part.parent.mkdir(parents=True, exist_ok=True)
            lock = target.with_name(f".{target.name}.lock")
            held.enter_context(locked(lock, target, "another process is downloading this file", "wait for it"))
        resumed = is_file(part)
        if not resumed or blob_id(part) != file.blob:
            _receive(url, part, progress, timeout)
        if resumed and blob_id(part) != file.blob:  # the partial file may have been a part of another file
            part.unlink()
            _receive(url, part, progress, timeout)
        _check(url, part, file.blob)
        with _writing(target):
            part.replace(target)
    return True


def _check(url: str, part: Path, blob: str) -> None:
    """Check the content of a download; delete it if it is not the file."""
    found = blob_id(part)
    if found == blob:
        return
    with part.open("rb") as came:
        is_pointer = came.read(len(POINTER)) == POINTER
    part.unlink()
    what = "only a git-lfs pointer" if is_pointer else f"another file: git blob {found}, not {blob}"
    raise RunError(f"{url}: the server sent {what}; the download was deleted")


def _receive(url: str, part: Path, progress: Progress, timeout: float) -> None:
    """Receive a file completely, in several tries if necessary."""
    for tries in range(1, TRIES + 1):
        try:
            with _open(url, part, timeout) as (response, start):
                _write(response, start, part, progress)
            return
        except _ConnectionLostError as error:
            if tries == TRIES:
                kept = "; the part received is kept, so the same command resumes" if is_file(part) else ""
                raise RunError(f"{url}: {error} ({TRIES} tries{kept})") from error
            time.sleep(PAUSE)


@contextmanager
def _open(url: str, part: Path, timeout: float) -> Iterator[tuple[HTTPResponse, int]]:
    """Open a URL after the bytes that a partial file holds; yield the response and its first byte."""
    have = part.stat().st_size if is_file(part) else 0
    request = Request(url, headers={"Range": f"bytes={have}-"} if have else {})
    try:
        with urlopen(request, timeout=timeout) as response:
            resumes = response.status == 206 and response.headers.get("Content-Range", "").startswith(f"bytes {have}-")
            yield response, have if resumes else 0
    except HTTPError as error:
        if error.code == 416 and have:  # the partial file is complete, or longer than the file on the server
            part.unlink()
            raise _ConnectionLostError("the server has no bytes after the part received before") from error
        if error.code >= 500:
            raise _ConnectionLostError(f"the server answered {error.code} {error.reason}") from error
        raise RunError(f"{url}: the server answered {error.code} {error.reason}") from error
    except TimeoutError as error:
        raise _ConnectionLostError(f"the server timed out: no data for {timeout:g} s") from error
    except URLError as error:
        reason = getattr(error.reason, "strerror", None) or error.reason
        raise _ConnectionLostError(f"the server cannot be reached: {reason}") from error
    except (HTTPException, OSError) as error:
        raise _ConnectionLostError(f"the connection was lost: {error}") from error


def _write(response: HTTPResponse, start: int, part: Path, progress: Progress) -> None:
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
        raise _ConnectionLostError(f"the connection was lost after {done} of {total} bytes")


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise RunError(f"{path}: cannot be written: {error.strerror}; the part received is kept") from error
