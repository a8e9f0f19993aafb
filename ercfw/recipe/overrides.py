"""Settings laid over a recipe's tables: variants, and ``key=value`` of the command line."""

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from ercfw.errors import InputError
from ercfw.recipe.schema import CORE_KEYS
from ercfw.recipe.toml import DEEPEST, Tables, check_values, parse_toml


def parse_overrides(words: Iterable[str]) -> Tables:
    """``train.lr=3e-4`` and the like as one tree of tables.

    The right side is TOML, else a plain string.

    Raises:
        InputError: a word has no ``=``, a key stands both for a value and for a table, or no setting can be so.
    """
    tree: Tables = {}
    for word in words:
        path, equals, value = word.partition("=")
        if not equals or not all(path.split(".")):
            raise InputError.at(f"override '{word}'", "is not of the form table.key=value", "train.lr=3e-4")
        *tables, key = path.strip().split(".")
        if len(tables) >= DEEPEST:
            raise InputError.at(f"override '{word}'", f"is nested more than {DEEPEST} deep")
        table = tree
        for name in tables:
            table = table.setdefault(name, {})
            if not isinstance(table, dict):
                raise InputError.at(f"override '{word}'", f"'{name}' is set to a value elsewhere")
        if isinstance(table.get(key), dict):
            raise InputError.at(f"override '{word}'", f"settings inside '{path}' are given elsewhere")
        table[key] = _value(value.strip())
    check_values(tree, "override")
    return tree


def _value(text: str) -> Any:
    try:
        read = parse_toml(f"value = {text}", "")
    except InputError:
        return text
    return read["value"] if len(read) == 1 else text


def merge(base: Mapping[str, Any], incoming: Mapping[str, Any]) -> Tables:
    """``base`` with ``incoming`` laid over it.

    A table that names another part (``use``, or ``file`` of a feature stream) replaces the old part's
    options, so that a swapped part never inherits them; the core's keys stay. Others are descended into.
    """
    merged = copy.deepcopy(dict(base))
    for key, value in incoming.items():
        old = merged.get(key)
        if isinstance(value, Mapping) and isinstance(old, dict):
            merged[key] = merge(_without_part(old) if {"use", "file"} & value.keys() else old, value)
        else:
            merged[key] = copy.deepcopy(value)
    return merged


def _without_part(table: Tables) -> Tables:
    kept = CORE_KEYS - {"use", "file", "fitted_on"}
    return {key: value for key, value in table.items() if key in kept}


def drop(tables: Mapping[str, Any], paths: Iterable[str], where: str) -> Tables:
    """The tables without the tables or keys at these dotted paths.

    Raises:
        InputError: there is nothing at a path.
    """
    left = copy.deepcopy(dict(tables))
    for path in paths:
        *parents, key = path.split(".")
        table: Any = left
        for name in parents:
            table = table.get(name) if isinstance(table, dict) else None
        if not isinstance(table, dict) or key not in table:
            raise InputError.at(where, f"there is no '{path}' to drop")
        del table[key]
    return left
