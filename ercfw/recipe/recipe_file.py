"""Read a recipe's file, and apply variants and overrides to its tables."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ercfw.errors import InputError, Mistake, did_you_mean
from ercfw.recipe.grid import expand_grids
from ercfw.recipe.overrides import drop, merge
from ercfw.recipe.schema import BASE, Variant
from ercfw.recipe.toml import Tables, parse_toml
from ercfw.system.files import read_bytes
from ercfw.system.names import LONGEST_NAME, size, slug
from ercfw.system.validation import as_json, mistakes_of

LISTS = ("variant", "grid")
"""The keys of a recipe that make variants, and are part of none."""


@dataclass(frozen=True)
class RecipeFile:
    """The content of a recipe's file.

    Attributes:
        path: the file; paths of plugin files are relative to its folder.
        tables: all tables of the file, including the variants and grids.
    """

    path: Path
    tables: Tables

    @property
    def variants(self) -> list[str]:
        """Return the names of all variants, the base first."""
        listed = self.tables.get("variant", [])
        named = [v.get("name") for v in listed if isinstance(v, dict)] if isinstance(listed, list) else []
        return [BASE, *(name for name in named if isinstance(name, str)), *self.in_grids]

    @cached_property
    def in_grids(self) -> Mapping[str, Tables]:
        """Return the settings of each variant of the grids, by its name; of those with one name, the last."""
        return {variant["name"]: variant["set"] for variant in self.expanded[0]}

    @cached_property
    def expanded(self) -> tuple[list[Tables], list[Mistake]]:
        """Return ``expand_grids`` of the recipe's grids."""
        return expand_grids(self.tables.get("grid", []), str(self.path))


def read_toml(path: Path) -> RecipeFile:
    """Read a recipe's file.

    Raises:
        InputError: it is missing, is not TOML, or holds a value that is not allowed in a recipe.
    """
    try:
        content = read_bytes(path)
        return RecipeFile(path, parse_toml(content.decode("utf-8-sig"), str(path)))
    except OSError as error:
        raise InputError.unreadable(path, error) from error
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError.at(f"{path}, line {line}", "is not UTF-8", "save the file as UTF-8") from error


def resolve_variant(
    source: RecipeFile,
    variant: str = BASE,
    overrides: Mapping[str, Any] | None = None,
    dropped: Sequence[str] = (),
) -> Tables:
    """Return the tables of one variant: those of the recipe, then of the variant, then the overrides.

    Keys that the variant or the command line drops are removed last, so nothing can bring them back.

    Raises:
        InputError: there is no such variant, or a key to drop does not exist.
    """
    tables = {key: value for key, value in source.tables.items() if key not in LISTS}
    for key in LISTS:
        if key in (overrides or {}):
            raise InputError.at(f"override '{key}'", "cannot be set here", f"write [[{key}]] in the recipe")
    if variant == BASE:
        return drop(merge(tables, overrides or {}), dropped, "--drop")
    chosen = _variant(source, variant)
    merged = merge(merge(tables, chosen.set), overrides or {})
    kept = drop(merged, chosen.drop, f"{source.path}: variant '{variant}'")
    return drop(kept, dropped, f"--drop, variant '{variant}'")


def _variant(source: RecipeFile, name: str) -> Variant:
    for number, table in enumerate(source.tables.get("variant", []), 1):
        if isinstance(table, dict) and table.get("name") == name:
            return _read_variant(table, f"{source.path}: [[variant]] number {number}")
    if name in source.in_grids:
        return Variant(name=name, set=source.in_grids[name])
    raise InputError.at(source.path, f"there is no variant named '{name}'", did_you_mean(name, source.variants))


def _read_variant(table: Tables, where: str) -> Variant:
    try:
        return Variant.model_validate_json(as_json(table))
    except ValidationError as error:
        known = list(Variant.model_fields)
        raise InputError(
            mistakes_of(error, table, lambda loc: f"{where} {'.'.join(map(str, loc))}".rstrip(), lambda loc: known)
        ) from error


def with_named_variants(
    source: RecipeFile, selected: Sequence[str], name: str, overrides: Mapping[str, Any], dropped: Sequence[str]
) -> tuple[RecipeFile, list[str]]:
    """Return the recipe with a new variant for each selected one under these settings, and the names of the new ones.

    The base becomes the variant ``name``, and a variant ``w/o audio`` becomes ``w/o audio, name``.

    Raises:
        InputError: a variant is invalid or missing, or the name is that of a variant or unusable as a folder.
    """
    if mistakes := check_variants(source):
        raise InputError(mistakes)
    chosen = [Variant(name=BASE) if each == BASE else _variant(source, each) for each in selected]
    new = [
        {
            "name": name if each.name == BASE else f"{each.name}, {name}",
            "set": merge(each.set, overrides),
            "drop": [*each.drop, *dropped],
        }
        for each in chosen
    ]
    named = replace(source, tables={**source.tables, "variant": [*source.tables.get("variant", []), *new]})
    if mistakes := _name_mistakes(named):
        raise InputError([replace(mistakes[0], where=f"name '{name}'", hint="choose another name")])
    return named, [str(each["name"]) for each in new]


def check_variants(source: RecipeFile) -> list[Mistake]:
    """Return the mistakes: invalid variants and grids, and names that are the same or unusable as a folder."""
    tables = source.tables.get("variant", [])
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        return [Mistake(f"{source.path}: variant", "is not a list of tables", "write [[variant]], in double brackets")]
    mistakes: list[Mistake] = []
    for number, table in enumerate(tables, 1):
        try:
            _read_variant(table, f"{source.path}: [[variant]] number {number}")
        except InputError as error:
            mistakes += error.mistakes
    return [*mistakes, *source.expanded[1], *_name_mistakes(source)]


def _name_mistakes(source: RecipeFile) -> list[Mistake]:
    mistakes, seen = [], {BASE: BASE}
    for table, name in _names(source):
        where = f"{source.path}: [[{table}]]"
        if name == "all":
            mistakes.append(Mistake(where, "'all' is reserved for running every variant", "choose another name"))
        elif not slug(name):
            mistakes.append(Mistake(where, f"the name '{name}' contains no letter and no digit"))
        elif size(slug(name)) > LONGEST_NAME:
            what = f"'{name}' is too long to name a folder"
            mistakes.append(Mistake(where, what, f"use at most {LONGEST_NAME} bytes"))
        elif slug(name) in seen:
            both = f"'{name}' and '{seen[slug(name)]}' would share the folder '{slug(name)}'"
            mistakes.append(Mistake(where, both, "rename one of them" if table == "variant" else "remove one of them"))
        seen[slug(name)] = name
    return mistakes


def _names(source: RecipeFile) -> Iterator[tuple[str, str]]:
    """Yield the list that each variant comes from, and its name."""
    made = [variant["name"] for variant in source.expanded[0]]
    own = source.variants[1 : len(source.variants) - len(source.in_grids)]
    yield from [("variant", name) for name in own]
    yield from [("grid", name) for name in made]
