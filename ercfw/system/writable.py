"""Files and folders that a command will write to."""

import os
from collections.abc import Sequence
from pathlib import Path

from ercfw.errors import InputError
from ercfw.system.files import is_folder, is_there

PICTURES = (".png", ".svg", ".pdf")
"""Endings of a picture's file."""
PAGES = (".html", ".htm")
"""Endings of a page's file."""


def check_folder(option: str, folder: Path) -> None:
    """Check that a folder can be created and written to, before a long computation starts.

    Raises:
        InputError: it cannot.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if is_there(path))
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise InputError.at(f"{option} {folder}", f"{there} is not a folder that can be written to")


def check_ending(option: str, path: Path, endings: Sequence[str]) -> None:
    """Check that the name of a file has one of the endings of the formats that can be written.

    Raises:
        InputError: it has another ending, or none.
    """
    if path.suffix.lower() not in endings:
        right = " or ".join(filter(None, [", ".join(endings[:-1]), endings[-1]]))
        raise InputError.at(f"{option} {path}", "does not name a format that ercfw can write", f"end it with {right}")


def check_file(option: str, path: Path, endings: Sequence[str]) -> None:
    """Check that a file can be written in the format of its ending, before a long computation starts.

    Raises:
        InputError: it cannot.
    """
    check_ending(option, path, endings)
    if is_folder(path):
        raise InputError.at(f"{option} {path}", "is a folder", "name a file")
    check_folder(option, path.absolute().parent)
