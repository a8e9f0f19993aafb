"""Apply settings over the tables of a recipe: variants, and ``key=value`` from the command line."""

import copy
from collections.abc import Iterable, Mapping
from typing import Any

from ercfw.errors import InputError, did_you_mean
from ercfw.recipe.schema import CORE_KEYS
from ercfw.recipe.toml import DEEPEST, Tables, check_values, parse_toml


def parse_overrides(words: Iterable[str]) -> Tables:
    """Parse words such as ``train.lr=3e-4`` into one tree of tables.

    The right side is TOML; if it is not, it is a plain string.

    Raises:
        InputError: a word has no ``=``, a key is both a value and a table, or a value is not allowed in a recipe.
    """
    tree: Tables = {}
    for word in words:
        path, equals, value = word.partition("=")
        if not equals or not all(path.split(".")):
            raise InputError.at(f"override '{word}'", "is not of the form table.key=value", "such as train.lr=3e-4")
        *tables, key = path.strip().split(".")
        if len(tables) >= DEEPEST:
            raise InputError.at(f"override '{word}'", f"is nested more than {DEEPEST} deep")
        table = tree
        for name in tables:
            table = table.setdefault(name, {})
            if not isinstance(table, dict):
                raise InputError.at(f"override '{word}'", f"another override sets '{name}' to a value, not to a table")
        if isinstance(table.get(key), dict):
            raise InputError.at(f"override '{word}'", f"another override sets a key inside '{path}'")
        table[key] = _parse_value(value.strip())
    check_values(tree, "override")
    return tree


def _parse_value(text: str) -> Any:
    try:
        read = parse_toml(f"value = {text}", "")
    except InputError:
        return text
    return read["value"] if len(read) == 1 else text


def merge(base: Mapping[str, Any], incoming: Mapping[str, Any]) -> Tables:
    """Return ``base`` with the settings of ``incoming`` in place of its own.

    Tables are merged key by key. A table that names a part (``use``, or ``file`` of a feature stream) also drops the
    options of the old part, so that the new part does not inherit them. Keys of the core stay.
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
    """Return the tables without the tables or keys at these dotted paths.

    Raises:
        InputError: a path does not exist.
    """
    left = copy.deepcopy(dict(tables))
    for path in paths:
        del _table_with(left, path, where)[path.rpartition(".")[2]]
    return left


def _table_with(tables: Tables, path: str, where: str) -> Tables:
    """Return the table that has the last key of a dotted path."""
    names, table, found = path.split("."), tables, tables
    for depth, name in enumerate(names):
        table = found if isinstance(found, dict) else {}
        if name not in table:
            known = [".".join([*names[:depth], other]) for other in table]
            hint = did_you_mean(".".join(names[: depth + 1]), known) if known else ""
            raise InputError.at(where, f"there is no '{path}' to drop", hint)
        found = table[name]
    return table
