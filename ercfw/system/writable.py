"""Folders that a command will write to."""

import os
from pathlib import Path

from ercfw.errors import InputError


def check_folder(option: str, folder: Path) -> None:
    """Check that a folder can be created and written to, before a long computation starts.

    Raises:
        InputError: it cannot.
    """
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK):
        raise InputError.at(f"{option} {folder}", f"{there} is not a folder that can be written to")
