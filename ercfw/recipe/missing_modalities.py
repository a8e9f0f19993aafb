"""Write a recipe whose variants lack modalities."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import tomlkit

from ercfw.recipe.recipe_file import RecipeFile
from ercfw.recipe.toml import Tables
from ercfw.system.files import write_text

SHARES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7)


def missing_variants(modalities: Sequence[str]) -> list[dict[str, Any]]:
    """Return ``[[variant]]`` tables of two kinds.

    Some remove a share of each modality, from 0 to 0.7, in training and scoring. The others remove whole modalities in
    scoring only. The share of 0 is the variant with all modalities.
    """
    shares = [{"name": f"share {share}", "set": {"data": {"missing": {"share": share}}}} for share in SHARES]
    subsets: list[dict[str, Any]] = []
    for size in range(len(modalities) - 1, 0, -1):
        for kept in combinations(modalities, size):
            lacking = [name for name in modalities if name not in kept]
            table = {"lacking": lacking, "splits": ["dev", "test"]}
            subsets.append({"name": f"{' + '.join(kept)} at scoring", "set": {"data": {"missing": table}}})
    return [*shares, *subsets]


def write_missing_recipe(recipe: Path, tables: Tables, out: Path) -> RecipeFile:
    """Write a recipe with those variants, ``OUT/RECIPE-missing.toml``, and return it.

    Args:
        recipe: the file of the recipe to test; its plugin files are relative to its folder.
        tables: the content of that recipe, without variants.
        out: the folder of all runs.
    """
    own = {**tables, "title": f"{tables.get('title')}, modalities missing"}
    own["plugins"] = [str((recipe.parent / path).resolve()) for path in tables.get("plugins", [])]
    own["variant"] = missing_variants(tables["data"]["modalities"])
    path = out / f"{recipe.stem}-missing.toml"
    document = tomlkit.document()
    for key, value in sorted(own.items(), key=lambda item: isinstance(item[1], (dict, list))):
        document[key] = value
    write_text(path, tomlkit.dumps(document))
    return RecipeFile(path, own)
