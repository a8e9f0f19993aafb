"""Arguments of a command or a Python call, read into what the experiment code takes; torch is not loaded here."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from numbers import Integral, Real
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ercfw.errors import InputError
from ercfw.recipe.overrides import merge, parse_overrides
from ercfw.recipe.recipe_file import RecipeFile, read_toml, with_named_variants
from ercfw.recipe.shipped import find_recipe
from ercfw.recipe.toml import Tables, check_values
from ercfw.registry.trust import PluginFiles
from ercfw.system.files import is_file
from ercfw.system.names import shortened, slug
from ercfw.system.user_folders import expand_home

if TYPE_CHECKING:
    from ercfw.experiment.plan import Selection

MOST_SEEDS = 100

RecipeArgument = str | Path | Mapping[str, Any]
"""The path of a recipe, the name of a shipped one, or a recipe's tables."""
Override = str | Mapping[str, Any]
"""``"train.lr=3e-4"``, or tables such as ``{"train": {"lr": 3e-4}}`` and ``{"train.lr": 3e-4}``."""
Seeds = int | Iterable[int] | None
"""A number of seeds, a list of seeds, or None for those of the recipe."""


def open_recipe(recipe: RecipeArgument) -> RecipeFile:
    """Read a recipe's file, a shipped recipe, or tables; paths inside tables are relative to the current folder.

    Raises:
        InputError: there is no such recipe, or it is not one.
    """
    if isinstance(recipe, Mapping):
        tables = _plain_tables(recipe, "recipe")
        return RecipeFile(Path(f"{shortened(slug(str(tables.get('title', '')))) or 'recipe'}.toml"), tables)
    if not isinstance(recipe, (str, Path)):
        raise InputError.at("recipe", f"should be a path, a name or a mapping of tables, not {type(recipe).__name__}")
    return read_toml(find_recipe(expand_home(str(recipe))))


def read_overrides(overrides: Iterable[Override]) -> Tables:
    """Merge settings into one tree of tables; mappings are laid over ``key=value`` strings.

    Raises:
        InputError: a setting is malformed, or settings contradict each other.
    """
    overrides = list(overrides)
    tree = parse_overrides(each for each in overrides if isinstance(each, str))
    for each in overrides:
        if isinstance(each, Mapping):
            for path, value in _plain_tables(each, "override").items():
                for key in reversed(path.split(".")):
                    value = {key: value}
                tree = merge(tree, value)
        elif not isinstance(each, str):
            what = f"should be a string or a mapping, not {type(each).__name__}"
            raise InputError.at(f"override {each!r}", what, '"train.lr=3e-4"')
    check_values(tree, "override")
    return tree


def choose_seeds(
    seeds: Seeds, in_recipe: Any, where: str = "seeds", single: str = "[{}]", right: str = "5 or [1, 7]"
) -> list[int] | None:
    """Return the seeds: a number counts up from the recipe's first seed, a list is taken as it is.

    Args:
        seeds: what the caller asked for.
        in_recipe: ``seeds`` of the recipe.
        where: the argument's name, for messages.
        single: how a list of one seed is written, for messages.
        right: valid values, for messages.

    Raises:
        InputError: a seed is negative or too large, or is listed twice; or the number is beyond reason.
    """
    if seeds is None:
        return None
    if isinstance(seeds, int):
        if seeds > MOST_SEEDS:
            raise InputError.at(
                where,
                f"{seeds} means {seeds} seeds",
                f"for the seed {seeds} alone, use {single.format(seeds)}",
            )
        first = in_recipe[0] if isinstance(in_recipe, list) and in_recipe and isinstance(in_recipe[0], int) else 0
        numbers = list(range(first, first + seeds))
    else:
        numbers = list(seeds) if isinstance(seeds, Iterable) and not isinstance(seeds, str) else []
    valid = all(isinstance(each, Integral) and 0 <= each < 2**32 for each in numbers)
    if not numbers or not valid or len(set(numbers)) < len(numbers) or isinstance(seeds, bool):
        raise InputError.at(where, f"{seeds!r} is neither a number of seeds nor a list of different ones", right)
    return [int(each) for each in numbers]


def make_selection(
    source: RecipeFile,
    overrides: Iterable[Override] = (),
    *,
    variants: str | Sequence[str] = "base",
    seeds: Sequence[int] | None = None,
    drop: Sequence[str] = (),
    plugin_files: PluginFiles = PluginFiles.TRUSTED,
    cross_fit: int = 0,
) -> "Selection":
    """Combine what a caller selects from a recipe; ``"all"`` selects every variant.

    Raises:
        InputError: a setting is malformed.
    """
    from ercfw.experiment.plan import Selection

    names = [variants] if isinstance(variants, str) else list(variants)
    settings = _with_plugins_from_here(read_overrides(overrides), source.path.parent)
    return Selection(
        variants=source.variants if "all" in names else list(dict.fromkeys(names)),
        seeds=seeds,
        overrides=settings,
        dropped=[drop] if isinstance(drop, str) else list(drop),
        plugin_files=plugin_files,
        cross_fit=cross_fit,
    )


def _with_plugins_from_here(settings: Tables, folder: Path) -> Tables:
    """Return settings whose plugin files start from the working folder where they are found there.

    Those of a recipe, and others in the settings, start from the recipe's ``folder``.
    """
    paths = settings.get("plugins")
    if not isinstance(paths, list) or folder.absolute() == Path.cwd():
        return settings
    here = [str(Path(path).absolute()) if isinstance(path, str) and is_file(Path(path)) else path for path in paths]
    return {**settings, "plugins": here}


def under_name(source: RecipeFile, selection: "Selection", name: str | None) -> "tuple[RecipeFile, Selection]":
    """Return the recipe and a selection whose settings are variants of this name; both as given without a name.

    Raises:
        InputError: the name is that of a variant, or cannot name a folder.
    """
    if name is None:
        return source, selection
    settings, dropped = selection.overrides or {}, selection.dropped
    named, variants = with_named_variants(source, selection.variants, name, settings, dropped)
    return named, replace(selection, variants=variants, overrides={}, dropped=())


def _plain_tables(tables: Mapping[str, Any], where: str) -> Tables:
    plain: Tables = _plain(tables, where)
    check_values(plain, where)
    return plain


def _plain(value: Any, where: str) -> Any:
    """Return a value as TOML could hold it: plain tables, lists and scalars; paths become strings."""
    if isinstance(value, Mapping):
        if odd := [key for key in value if not isinstance(key, str)]:
            raise InputError.at(where, f"has a key that is not a string: {odd[0]!r}")
        return {key: _plain(each, f"{where}: {key}") for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each, where) for each in value]
    if isinstance(value, (str, bool)):
        return value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Integral):
        return int(value)
    if isinstance(value, Real):
        return float(value)
    raise InputError.at(where, f"a setting cannot be a {type(value).__name__}", "a string, a number, a list or a table")
