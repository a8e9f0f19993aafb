"""Text files in common encodings: UTF-8 with or without a byte-order mark, UTF-16 with one, or cp1252 (Windows)."""

import codecs
from pathlib import Path

from ercfw.data.tables.control_characters import Repair
from ercfw.data.tables.read import Read
from ercfw.errors import InputError
from ercfw.system.files import read_bytes

UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def read_text(path: Path) -> Read[str]:
    """Read a text file in UTF-8, or in UTF-16 if it begins with a byte-order mark; line ends stay as they are.

    Lines that are not UTF-8 are read as cp1252, so that a damaged letter costs no line. Control characters are replaced
    by what they stand for, or removed. Warnings count both.

    Returns:
        The text in ``value``, without the byte-order mark, and the ``warnings``.

    Raises:
        InputError: the file cannot be read, or is not a text file.
    """
    try:
        data = read_bytes(path)
    except OSError as error:
        raise InputError.unreadable(path, error) from error
    except ValueError as error:  # a name that no file can have
        raise InputError.at(path, f"cannot be read: {error}") from error
    return decode_text(data, path)


def decode_text(data: bytes, where: object) -> Read[str]:
    """Decode the bytes of a text as ``read_text`` does; ``where`` names their source in messages.

    Raises:
        InputError: they are not text.
    """
    read = _decode(data, where)
    if "\0" in read.value:
        line = read.value[: read.value.index("\0")].count("\n") + 1
        raise InputError.at(where, "is not a text file", f"line {line} contains a zero byte; save it as UTF-8")
    repair = Repair()
    return Read(repair(read.value), (*read.warnings, *repair.warnings(where)))


def _decode(data: bytes, where: object) -> Read[str]:
    if data.startswith(UTF16):
        text = data.decode("utf-16", errors="replace")
        damaged = text.count("\ufffd")
        return Read(text, (f"{where}: characters that are not UTF-16 were replaced: {damaged}",) if damaged else ())
    try:
        return Read(data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        pass
    lines, damaged = [], 0
    for line in data.removeprefix(codecs.BOM_UTF8).split(b"\n"):
        try:
            lines.append(line.decode())
        except UnicodeDecodeError:
            lines.append(line.decode("cp1252", errors="replace"))
            damaged += 1
    return Read("\n".join(lines), (f"{where}: lines that are not UTF-8 were read as cp1252: {damaged}",))
