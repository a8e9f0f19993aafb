"""Name recipes by the settings that differ between them: ``fusion=gated-sum, train.lr=0.001``."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from ercfw.recipe.identity import HARMLESS, without_keys
from ercfw.recipe.toml import Tables
from ercfw.system.flatten import flatten

MOST_NAMED = 4
"""Maximum number of settings in a name."""
USE = ".use"
Settings = Mapping[str, Any]


def differing_settings(recipes: Sequence[Tables]) -> list[str]:
    """Return for each resolved recipe the settings that differ from those of another one; empty if it has none.

    Options count only between tables that name the same part, because another part has other options.
    """
    flat = [dict(flatten(without_keys(recipe, (*HARMLESS, "seeds", "plugins")), ".")) for recipe in recipes]
    return [_named(dict(_differing(settings, flat))) for settings in flat]


def _differing(settings: Settings, others: Sequence[Settings]) -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        rivals = others if key.endswith(USE) else [each for each in others if _part(each, key) == _part(settings, key)]
        if any(each.get(key) != value for each in rivals):
            yield key, value


def _part(settings: Settings, key: str) -> Any:
    """Return the part that the innermost table around a key names; None if no table does."""
    tables = key.split(".")[:-1]
    around = (".".join(tables[:depth]) + USE for depth in range(len(tables), 0, -1))
    return next((settings[use] for use in around if use in settings), None)


def _named(settings: Settings) -> str:
    shown = [f"{key.removesuffix(USE)}={_written(value)}" for key, value in settings.items()]
    more = [f"{len(shown) - MOST_NAMED} more"] if len(shown) > MOST_NAMED else []
    return ", ".join([*shown[:MOST_NAMED], *more])


def _written(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
