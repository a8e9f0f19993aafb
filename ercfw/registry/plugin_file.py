"""Plugin files: Python files that a recipe names, read once and executed from the bytes that were hashed."""

import hashlib
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from ercfw.errors import InputError, Mistake, in_table
from ercfw.system.files import is_file, read_bytes


@dataclass(frozen=True)
class PluginFile:
    """Plugin file as it was read.

    Attributes:
        path: the file.
        code: its content.
    """

    path: Path
    code: bytes

    @property
    def sha256(self) -> str:
        """Return the hash of the content."""
        return hashlib.sha256(self.code).hexdigest()

    def execute(self) -> ModuleType:
        """Execute the content that was read, whatever the file holds now, and return it as a module."""
        name = f"ercfw_plugin_file_{self.path.stem}_{self.sha256[:12]}"
        module = ModuleType(name)
        module.__file__ = str(self.path)
        sys.modules[name] = module
        exec(compile(self.code, str(self.path), "exec", dont_inherit=True), module.__dict__)
        return module


def read_plugin_file(path: Path) -> PluginFile:
    """Read a plugin file without executing it.

    Raises:
        InputError: it cannot be read.
    """
    try:
        return PluginFile(path, read_bytes(path))
    except OSError as error:
        raise InputError.at(path, f"cannot be read: {error.strerror or error}") from error


def plugin_files(paths: Iterable[str], beside: Path, where: str) -> list[Path]:
    """Return the paths of plugin files.

    Args:
        paths: the files, as they are named.
        beside: the folder that they are relative to.
        where: what names them, such as a recipe's ``plugins``, for messages.

    Raises:
        InputError: files are missing or are not Python files; each of them is named.
    """
    files = {path: beside / path for path in paths}
    with in_table(where):
        mistakes = [
            Mistake(where, f"'{path}' is not a Python file" if is_file(file) else f"there is no file {file}")
            for path, file in files.items()
            if file.suffix != ".py" or not is_file(file)
        ]
    if mistakes:
        raise InputError(mistakes)
    return list(dict.fromkeys(file.resolve() for file in files.values()))
