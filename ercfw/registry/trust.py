"""Decide which plugin files may run: those whose content the user has trusted on this machine.

The list of trusted content is a file in the user's state folder, with one line per plugin file: the SHA-256 hash and
the path at which it was trusted. Only the hash decides. A changed file is a new file, and a copy is the same file.
"""

import re
from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path

from ercfw.errors import InputError, Mistake, RunError, shown
from ercfw.registry.plugin_file import PluginFile, read_plugin_file
from ercfw.system.files import write_text
from ercfw.system.user_folders import state_folder

LIST = "trusted-plugin-files"
_LINE = re.compile(r"(?P<hash>[0-9a-f]{64})  (?P<path>.*)")


class PluginFiles(StrEnum):
    """What a command does with the plugin files that a recipe or a run names."""

    REFUSE = "refuse"
    """Execute none."""
    TRUSTED = "trusted"
    """Execute those that were trusted before, and stop at others."""
    TRUST = "trust"
    """Trust all of them, now and later, and execute them."""

    @classmethod
    def chosen(cls, allowed: bool, trust: bool) -> "PluginFiles":
        """Return the policy that two switches of a Python call select.

        Raises:
            InputError: plugin files are refused and trusted at once.
        """
        if trust and not allowed:
            what = "trust=True and plugin_files=False contradict each other"
            raise InputError.at("trust", what, "use one of them")
        return cls.TRUST if trust else cls.TRUSTED if allowed else cls.REFUSE


class UntrustedError(InputError):
    """Plugin files were not trusted on this machine; nothing of them was executed."""


def trusted() -> dict[str, str]:
    """Return the trusted hashes, each with the path at which it was trusted."""
    try:
        lines = _list().read_text(encoding="utf-8", errors="replace").splitlines()
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise RunError(f"{_list()}: cannot be read: {error.strerror or error}") from error
    found = [match for line in lines if (match := _LINE.fullmatch(line))]
    return {match["hash"]: match["path"] for match in found}


def trust(files: Iterable[PluginFile]) -> None:
    """Add files to the list.

    Raises:
        InputError: there is no place for the list.
        RunError: the list cannot be written.
    """
    before = trusted()
    new = {file.sha256: shown(str(file.path.absolute())) for file in files if file.sha256 not in before}
    if not new:
        return
    path = _list()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("a", encoding="utf-8") as listed:  # short lines are appended whole, also by several processes
            listed.write("".join(f"{digest}  {place}\n" for digest, place in new.items()))
    except OSError as error:
        hint = "set ERCFW_STATE to a folder that you can write to"
        raise RunError(f"{path}: cannot be written: {error.strerror or error} ({hint})") from error


def forget(hashes: Iterable[str]) -> dict[str, str]:
    """Remove hashes from the list; return those that were on it, with their paths."""
    before, gone = trusted(), set(hashes)
    removed = {digest: place for digest, place in before.items() if digest in gone}
    if removed:
        _write({digest: place for digest, place in before.items() if digest not in gone})
    return removed


def untrusted(files: Iterable[PluginFile]) -> list[PluginFile]:
    """Return the files whose content is not on the list."""
    known = trusted()
    return [file for file in files if file.sha256 not in known]


def admit(paths: Iterable[Path], policy: PluginFiles, where: str, place: Path | None = None) -> list[PluginFile]:
    """Read plugin files and check that they may run.

    Args:
        paths: the plugin files.
        policy: what the command does with plugin files.
        where: the recipe or the run that names them, for messages.
        place: what ``ercfw trust`` is given to trust them, for messages; each file if None.

    Raises:
        UntrustedError: files are not trusted; each of them is named with its hash.
        InputError: a file cannot be read, or the policy refuses plugin files.
        RunError: the list of trusted files cannot be read or written.
    """
    files = [read_plugin_file(path) for path in paths]
    if files and policy is PluginFiles.REFUSE:
        names = ", ".join(str(file.path) for file in files)
        raise InputError.at(where, f"names {names}, but --no-plugin-files forbids plugin files")
    if policy is PluginFiles.TRUST:
        trust(files)
    if refused := untrusted(files) if files else []:
        raise UntrustedError([_mistake(file, where, place) for file in refused])
    return files


def _mistake(file: PluginFile, where: str, place: Path | None) -> Mistake:
    hint = f"read it first; then add --trust to the command, or: ercfw trust {place or file.path}"
    return Mistake(where, f"plugin file {file.path} is not trusted on this machine: sha256 {file.sha256}", hint)


def _write(listed: Mapping[str, str]) -> None:
    write_text(_list(), "".join(f"{digest}  {place}\n" for digest, place in listed.items()))


def _list() -> Path:
    return state_folder() / LIST
