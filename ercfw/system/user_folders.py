"""Folders of the user: the home folder in paths, and those for caches and state, which variables may replace."""

import os
import re
from pathlib import Path

from ercfw.errors import InputError

CACHE, STATE = "ERCFW_CACHE", "ERCFW_STATE"
"""The environment variables that name the folders."""


def expand_home(path: str) -> str:
    """Return a path with its first ``~`` or ``~user`` replaced by the home folder; unchanged if there is none."""
    if not re.match(r"~[^/\\]*[/\\]|~$", path):
        return path
    try:
        return str(Path(path).expanduser())
    except RuntimeError:
        return path


def user_path(path: str | Path) -> Path:
    """Return a path that a user gave, with the home folder in place of ``~``."""
    return Path(expand_home(str(path)))


def cache_folder() -> Path:
    """Return the folder for what can be computed again.

    It is ``ERCFW_CACHE``, ``ercfw`` in ``XDG_CACHE_HOME``, or ``~/.cache/ercfw``.

    Raises:
        InputError: no variable names the folder, and the user has no home folder.
    """
    return _folder(CACHE, "XDG_CACHE_HOME", ".cache")


def state_folder() -> Path:
    """Return the folder for what ercfw remembers between commands.

    It is ``ERCFW_STATE``, ``ercfw`` in ``XDG_STATE_HOME``, or ``~/.local/state/ercfw``.

    Raises:
        InputError: no variable names the folder, and the user has no home folder.
    """
    return _folder(STATE, "XDG_STATE_HOME", ".local/state")


def _folder(variable: str, standard: str, in_home: str) -> Path:
    try:
        if named := os.environ.get(variable):
            return Path(named).expanduser()
        parent = Path(os.environ.get(standard, ""))
        if not parent.is_absolute():  # the XDG specification ignores relative paths
            parent = _home() / in_home
    except RuntimeError as error:
        hint = "set it to a folder that can be written to"
        raise InputError.at(variable, "is needed, because this user has no home folder", hint) from error
    return parent / "ercfw"


def _home() -> Path:
    """Return the home folder; containers often run as a user without an entry in /etc/passwd, or without that folder.

    Raises:
        RuntimeError: there is none.
    """
    home = Path.home()
    if os.environ.get("HOME") == "" or not home.is_dir():
        raise RuntimeError(f"{home} is not a home folder")
    return home
