"""Files and folders outside a run's folder that its recipe names."""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ercfw.recipe.toml import Tables
from ercfw.system.flatten import flatten


def outside_paths(tables: Tables, folder: Path) -> Iterator[str]:
    """Yield what a recipe names that exists outside a folder, as ``data.root = data/meld``.

    A run's recipe holds every default, so each path that a command could read is in it. A path is relative to the
    working folder or, like ``utterances`` of a dataset, to ``data.root``. Plugin files have a rule of their own.
    """
    data = tables.get("data")
    root = data.get("root") if isinstance(data, dict) else None
    bases = [Path(), *([Path(root)] if isinstance(root, str) else [])]
    for key, value in flatten({key: value for key, value in tables.items() if key != "plugins"}, "."):
        for text in _texts(value):
            found = [place for base in bases if (place := _existing(base, text)) is not None]
            if found and not found[0].is_relative_to(folder.resolve()):
                yield f"{key} = {text}"


def _texts(value: Any) -> Iterable[str]:
    if isinstance(value, str):
        return [value]
    return [each for each in value if isinstance(each, str)] if isinstance(value, list | tuple) else []


def _existing(base: Path, text: str) -> Path | None:
    """Return where a text leads if it is the path of something that exists."""
    try:
        place = base / Path(text).expanduser()
        return Path(os.path.realpath(place)) if text and os.path.lexists(place) else None
    except (OSError, ValueError, RuntimeError):  # no path at all
        return None
