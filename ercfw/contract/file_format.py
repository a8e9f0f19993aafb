"""Base class of the formats of feature files: what a plugin must offer to import and export them."""

from abc import ABC, abstractmethod
from pathlib import Path

from ercfw.contract.published_features import Published
from ercfw.errors import InputError


class FileFormat(ABC):
    """Feature files as other projects keep them.

    Attributes:
        slots: the streams that the files can hold.
        needed: those of them without which the other projects' readers fail.
    """

    slots: tuple[str, ...]
    needed: tuple[str, ...] = ()

    @abstractmethod
    def read(self, path: Path) -> Published:
        """Read the files at ``path``, a folder or one of the files.

        Raises:
            InputError: they are missing, damaged, or of another format.
        """

    def write(self, published: Published, folder: Path) -> list[Path]:
        """Write such files and return their paths.

        Raises:
            InputError: this format is read only.
        """
        raise InputError.at("--format", "this format can only be imported")
