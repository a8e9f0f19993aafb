"""Folders and files of a corpus below the folder that a recipe names, as archives unpack them."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from ercfw import InputError, is_folder

DEPTH = 3
"""Levels of folders that are searched, such as ``MELD-RAW/MELD.Raw/train``."""


def first_below(place: Path, inside: str, fits: Callable[[Path], bool]) -> Path | None:
    """Return the nearest path ``inside`` the folder or one below it that fits; None if there is none.

    Raises:
        InputError: if a folder cannot be read.
    """
    return next((found for folder in folders_below(place) if fits(found := folder / inside)), None)


def folders_below(place: Path) -> Iterator[Path]:
    """Yield the folder and those below it, nearest first and in order of their names; hidden ones are skipped.

    Raises:
        InputError: if a folder cannot be read.
    """
    level = [place] if is_folder(place) else []
    for _ in range(DEPTH):
        yield from level
        level = [below for folder in level for below in _subfolders(folder)]
    yield from level


def _subfolders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted(folder / e.name for e in entries if not e.name.startswith((".", "__")) and e.is_dir())
    except OSError as error:
        raise InputError.unreadable(folder, error) from error
