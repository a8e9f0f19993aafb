"""Parse TOML with limits on depth, on integers and on text."""

import re
import tomllib
from collections.abc import Iterable
from typing import Any

from ercfw.errors import InputError

Tables = dict[str, Any]

DEEPEST = 32
"""Maximum depth of nested tables and lists."""
LARGEST = 2**63
"""Limit of whole numbers: 64 bits, as TOML specifies."""

# The time of tomllib grows with the square of the number of a key's parts.
_PART = r"""(?: (?<![\w-])[\w-]++ | "[^"\n]*+" | '[^'\n]*+' )"""
_DEEP_KEY = re.compile(rf"(?: {_PART} [ \t]*+ \. [ \t]*+ ){{{DEEPEST}}}", re.VERBOSE | re.ASCII)


def parse_toml(text: str, where: str) -> Tables:
    """Return the tables of a TOML text.

    Raises:
        InputError: it is not TOML, or holds a value that ``check_values`` refuses.
    """
    if _DEEP_KEY.search(text):
        raise InputError.at(where, f"has a key of more than {DEEPEST} parts")
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError.at(where, f"is not TOML: {error}") from error
    except RecursionError as error:
        raise InputError.at(where, f"is nested more than {DEEPEST} deep") from error
    except ValueError as error:  # Python refuses to parse numbers of thousands of digits
        raise InputError.at(where, f"holds a number that is too long: {error}") from error
    check_values(tables, where)
    return tables


def check_values(tables: Tables, where: str) -> None:
    """Refuse values that no setting needs and that other code cannot read, copy or write.

    Raises:
        InputError: tables are nested too deeply, a whole number has more than 64 bits, or text cannot be encoded.
    """
    level: list[tuple[tuple[Any, ...], Any]] = [((key,), value) for key, value in tables.items()]
    for _ in range(DEEPEST):
        for path, value in level:
            fault = _fault(path[-1]) or _fault(value)
            if fault:
                raise InputError.at(f"{where}: {'.'.join(map(str, path))}", fault)
        level = [((*path, key), inner) for path, value in level for key, inner in _inside(value)]
        if not level:
            return
    raise InputError.at(f"{where}: {'.'.join(map(str, level[0][0]))}", f"is nested more than {DEEPEST} deep")


def _inside(value: Any) -> Iterable[tuple[Any, Any]]:
    return value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()


def _fault(value: Any) -> str | None:
    if isinstance(value, int) and not -LARGEST <= value < LARGEST:
        return "is a whole number that does not fit in 64 bits"
    if isinstance(value, str) and ("\0" in value or not _is_text(value)):
        return "contains a character that cannot be written to a file"
    return None


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # a lone surrogate: bytes of the command line that are not UTF-8
        return False
    return True
