"""Find the plugin files that recipes and runs name."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ercfw.errors import InputError
from ercfw.recipe.recipe_file import read_toml
from ercfw.registry.plugin_file import PluginFile, plugin_files, read_plugin_file
from ercfw.system.files import is_file, is_folder


def find_plugin_files(places: Sequence[Path]) -> list[PluginFile]:
    """Return the plugin files at these places, read but not executed.

    Args:
        places: plugin files; recipes, for the files that they name; folders, for the files that the recipes and runs in
            them name.

    Raises:
        InputError: there is no such place, no plugin file is there, or a recipe or a file cannot be read.
    """
    found: dict[Path, PluginFile] = {}
    for place in places:
        files = list(_at(place))
        if not files:
            raise InputError.at(place, "names no plugin file", "a .py file, a recipe, or a folder of runs")
        for path in files:
            found.setdefault(path, read_plugin_file(path))
    return list(found.values())


def _at(place: Path) -> Iterator[Path]:
    if is_folder(place):
        for folder, _, names in os.walk(place):
            for name in sorted(names):
                if name.endswith(".toml"):
                    yield from _named_by(Path(folder, name))
    elif not is_file(place):
        raise InputError.at(place, "there is no such file or folder")
    elif place.suffix == ".py":
        yield place.resolve()
    else:
        yield from _named_by(place)


def _named_by(recipe: Path) -> Iterator[Path]:
    """Yield the plugin files that a recipe names.

    Raises:
        InputError: the recipe cannot be read, or the files are missing.
    """
    names = read_toml(recipe).tables.get("plugins", [])
    if isinstance(names, list):
        yield from plugin_files([name for name in names if isinstance(name, str)], recipe.parent, f"{recipe}: plugins")
