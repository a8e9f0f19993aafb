"""Paths that begin with the user's home folder: no shell expands ``~`` in TOML, or behind the ``=`` of a setting."""

from typing import Any

from ercfw.recipe.toml import Tables
from ercfw.system.user_folders import expand_home


def with_home(tables: Tables) -> Tables:
    """Return the tables with every ``~/`` at the beginning of a value replaced by the home folder."""
    expanded: Tables = _expanded(tables)
    return expanded


def _expanded(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _expanded(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_expanded(each) for each in value]
    return expand_home(value) if isinstance(value, str) else value
