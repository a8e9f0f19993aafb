"""TOML as recipes may hold it: what is beyond all reason is refused before anything reads it."""

import re
import tomllib
from collections.abc import Iterable
from typing import Any

from ercfw.errors import InputError

Tables = dict[str, Any]

DEEPEST = 32
"""Tables and lists inside one another."""
LARGEST = 2**63
"""Whole numbers of 64 bits, as the format has them."""

# tomllib needs time by the square of a key's parts.
_PART = r"""(?: (?<![\w-])[\w-]++ | "[^"\n]*+" | '[^'\n]*+' )"""
_DEEP_KEY = re.compile(rf"(?: {_PART} [ \t]*+ \. [ \t]*+ ){{{DEEPEST}}}", re.VERBOSE | re.ASCII)


def parse_toml(text: str, where: str) -> Tables:
    """The tables of a TOML text.

    Raises:
        InputError: it is no TOML, or holds what ``check_values`` refuses.
    """
    if _DEEP_KEY.search(text):
        raise InputError.at(where, f"has a key of more than {DEEPEST} parts")
    try:
        tables = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError.at(where, f"is not TOML: {error}") from error
    except RecursionError as error:
        raise InputError.at(where, f"is nested more than {DEEPEST} deep") from error
    except ValueError as error:  # Python reads no number of thousands of digits
        raise InputError.at(where, f"holds a number that is too long: {error}") from error
    check_values(tables, where)
    return tables


def check_values(tables: Tables, where: str) -> None:
    """Refuse what no setting can be, but what would be in the way of those who read, copy or write it.

    Raises:
        InputError: tables nested too deeply, a whole number of more than 64 bits, or text that no file can hold.
    """
    level: list[tuple[tuple[Any, ...], Any]] = [((key,), value) for key, value in tables.items()]
    for _ in range(DEEPEST):
        for path, value in level:
            found = _oddity(path[-1]) or _oddity(value)
            if found:
                raise InputError.at(f"{where}: {'.'.join(map(str, path))}", found)
        level = [((*path, key), inner) for path, value in level for key, inner in _inside(value)]
        if not level:
            return
    raise InputError.at(f"{where}: {'.'.join(map(str, level[0][0]))}", f"is nested more than {DEEPEST} deep")


def _inside(value: Any) -> Iterable[tuple[Any, Any]]:
    return value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()


def _oddity(value: Any) -> str | None:
    if isinstance(value, int) and not -LARGEST <= value < LARGEST:
        return "is a whole number of more than 64 bits"
    if isinstance(value, str) and ("\0" in value or not _is_text(value)):
        return "holds a character that no file can hold"
    return None


def _is_text(value: str) -> bool:
    try:
        value.encode()
    except UnicodeEncodeError:  # a lone surrogate: bytes of the command line that are not UTF-8
        return False
    return True
