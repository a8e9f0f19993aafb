"""``[[grid]]``: lists of values for several keys, of which every combination is a variant, named by rule."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from math import prod
from typing import Any

from ercfw.errors import Mistake, did_you_mean
from ercfw.recipe.schema import Recipe
from ercfw.recipe.toml import Tables
from ercfw.system.names import slug

MOST_VARIANTS = 10_000
"""Maximum number of variants that one grid makes."""
EXAMPLE = '"fusion.use" = ["concat", "sum"]'
Axes = dict[str, list[Any]]
"""The values of each key, which is a dotted path."""


def expand_grids(grids: Any, path: str) -> tuple[list[Tables], list[Mistake]]:
    """Return the variants of all grids of a recipe, as ``[[variant]]`` tables, and the mistakes.

    A grid with a mistake makes no variants.

    Args:
        grids: the value of ``grid`` in the recipe.
        path: the recipe's file, for messages.
    """
    if not isinstance(grids, list) or not all(isinstance(grid, dict) for grid in grids):
        return [], [Mistake(f"{path}: grid", "is not a list of tables", "write [[grid]], in double brackets")]
    variants: list[Tables] = []
    mistakes: list[Mistake] = []
    for number, grid in enumerate(grids, 1):
        axes = dict(_axes(grid))
        found = _mistakes(axes, f"{path}: [[grid]] number {number}")
        mistakes += found
        variants += [] if found else _variants(axes)
    return variants, mistakes


def _axes(grid: Mapping[str, Any], above: str = "") -> Iterable[tuple[str, Any]]:
    """Yield the dotted path and the values of each key; a key may be written in quotes or as tables."""
    for key, value in grid.items():
        if isinstance(value, dict) and value:
            yield from _axes(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def _mistakes(axes: Mapping[str, Any], where: str) -> list[Mistake]:
    if not axes:
        return [Mistake(where, "is empty", EXAMPLE)]
    known = [field.alias or name for name, field in Recipe.model_fields.items() if name not in ("variant", "grid")]
    mistakes: list[Mistake] = []
    for key, values in axes.items():
        table = key.partition(".")[0]
        within = [other for other in axes if key.startswith(f"{other}.")]
        if table not in known:
            mistakes.append(Mistake(f"{where} {key}", f"a recipe has no '{table}'", did_you_mean(table, known)))
        elif not isinstance(values, list) or not values:
            what = "is an empty list" if isinstance(values, list) else "is not a list"
            mistakes.append(Mistake(f"{where} {key}", what, f"the values to combine, such as {EXAMPLE}"))
        elif within:
            mistakes.append(Mistake(f"{where} {key}", f"is also set by '{within[0]}'", "keep one of them"))
        elif twice := [value for place, value in enumerate(values) if value in values[:place]]:
            mistakes.append(Mistake(f"{where} {key}", f"lists {twice[0]!r} twice"))
    if not mistakes and (count := prod(map(len, axes.values()))) > MOST_VARIANTS:
        mistakes.append(Mistake(where, f"makes {count:,} variants", f"at most {MOST_VARIANTS:,}"))
    return mistakes


def _variants(axes: Axes) -> list[Tables]:
    """Return a variant for each combination of values, the last key changing fastest."""
    labels = _labels(axes)
    return [
        {"name": "+".join(label for label, _ in chosen), "set": _as_tables(axes, [value for _, value in chosen])}
        for chosen in product(*(zip(labels[key], values, strict=True) for key, values in axes.items()))
    ]


def _as_tables(keys: Iterable[str], values: Sequence[Any]) -> Tables:
    """Return tables with these values at these dotted paths."""
    tables: Tables = {}
    for key, value in zip(keys, values, strict=True):
        *path, last = key.split(".")
        table = tables
        for name in path:
            table = table.setdefault(name, {})
        table[last] = value
    return tables


def _labels(axes: Axes) -> dict[str, list[str]]:
    """Return the name of each value: ``focal``, or ``lr=0.001`` if the value alone says too little.

    Words stand for themselves, unless two keys share one or a folder's name cannot hold one. Numbers have their key.
    """
    bare = {key: [_value_name(value, values) for value in values] for key, values in axes.items()}
    keys_with = Counter(folder for labels in bare.values() for folder in set(map(slug, labels)))
    named: dict[str, list[str]] = {}
    for key, labels in bare.items():
        is_own = all(slug(label) and keys_with[slug(label)] == 1 for label in labels)
        says_enough = is_own and all(map(_is_word, axes[key]))
        named[key] = labels if says_enough else [f"{_short_key(key, axes)}={label}" for label in labels]
    return named


def _is_word(value: Any) -> bool:
    """Return whether a value is known by its name: words, lists of words, and tables, whose names have keys."""
    return isinstance(value, (str, dict)) or (isinstance(value, list) and all(isinstance(each, str) for each in value))


def _short_key(key: str, keys: Iterable[str]) -> str:
    """Return the end of a dotted path that no other key has; ``loss.main.use`` counts as ``loss.main``."""
    paths = [each.removesuffix(".use").split(".") for each in keys if each != key]
    own = key.removesuffix(".use").split(".")
    for length in range(1, len(own)):
        if all(other[-length:] != own[-length:] for other in paths):
            return ".".join(own[-length:])
    return ".".join(own)


def _value_name(value: Any, values: Sequence[Any]) -> str:
    """Return the name of one of the values of a key."""
    if isinstance(value, dict):
        return _table_name(value, [each for each in values if isinstance(each, dict)])
    if isinstance(value, list):
        return ",".join(_value_name(each, value) for each in value) or "none"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)) and value < 0:
        return f"minus{-value}"  # a folder's name has no sign
    return str(value)


def _table_name(table: Tables, tables: Sequence[Tables]) -> str:
    """Return the part that a table names, and the keys that distinguish it from other tables of the same part."""
    flat, use = dict(_axes(table)), table.get("use")
    others = [dict(_axes(each)) for each in tables if each.get("use") == use]
    differing = [key for key in flat if any(key not in each or each[key] != flat[key] for each in others)]
    options = [f"{key}={_value_name(flat[key], ())}" for key in differing if key != "use"]
    return " ".join([*([str(use)] if use is not None else []), *options]) or "default"
