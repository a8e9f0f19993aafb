"""Find recipes, also those that come with ercfw."""

from pathlib import Path

from ercfw.errors import InputError, did_you_mean
from ercfw.system.files import is_file

_PACKAGE = Path(__file__).parents[1]


def recipes_folder() -> Path:
    """Return the folder of the shipped recipes: inside the installed package, or beside it in a checkout."""
    installed = _PACKAGE / "recipes"
    return installed if installed.is_dir() else _PACKAGE.parent / "recipes"


def shipped_recipes() -> dict[str, Path]:
    """Return every shipped recipe by its name, such as ``multiemo_meld`` or ``baselines/mmgcn_meld``."""
    folder = recipes_folder()
    return {str(path.relative_to(folder).with_suffix("")): path for path in sorted(folder.rglob("*.toml"))}


def find_recipe(name: str) -> Path:
    """Return a recipe's file, given its path or the name of a shipped recipe.

    Raises:
        InputError: there is no such recipe.
    """
    path, shipped = Path(name), shipped_recipes()
    if is_file(path):
        return path
    if path.suffix or name not in shipped:
        raise InputError.at(name, "there is no such recipe", did_you_mean(path.stem, shipped))
    return shipped[name]
