"""Text files in common encodings: UTF-8 with or without a byte order mark, UTF-16 with one, or Windows."""

import codecs
from pathlib import Path

from ercfw.errors import InputError
from ercfw.system.files import is_file

UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_text(path: Path, warnings: list[str]) -> str:
    """Return the text of a file, and add to ``warnings`` if its encoding had to be guessed.

    Raises:
        InputError: there is no such file, it is empty, or it is not text.
    """
    if not is_file(path):
        raise InputError.at(path, "there is no such file")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError.at(path, f"cannot be read: {error.strerror}") from error
    text = _decoded(data, path, warnings)
    if not text.strip():
        raise InputError.at(path, "is empty")
    if "\0" in text:
        raise InputError.at(path, "is not a text file")
    return text


def _decoded(data: bytes, path: Path, warnings: list[str]) -> str:
    if data.startswith(UTF16):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    if "\0" not in text:
        warnings.append(f"{path}: is not UTF-8, and was read as cp1252")
    return text
