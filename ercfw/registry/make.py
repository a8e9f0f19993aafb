"""Make a part from its table of a recipe."""

from dataclasses import replace
from typing import Any

from ercfw.errors import ErcfwError, InputError, RunError, cause_of
from ercfw.recipe.schema import FeaturePart, Part
from ercfw.registry.catalog import Catalog
from ercfw.registry.options import read_options


def make_part(catalog: Catalog, kind: str, table: str, part: Part | FeaturePart, *wired: Any) -> Any:
    """A part with its options; what its constructor raises names the table.

    Raises:
        InputError: an option is wrong.
        RunError: the part's own code failed.
    """
    component = catalog.find(kind, str(part.use), f"[{table}] use")
    options, mistakes = read_options(component.made_by, part.options, f"[{table}]")
    if mistakes:
        raise InputError(mistakes)
    try:
        return component.made_by(*wired, **options)
    except InputError as error:
        named = [m if m.where.startswith("[") else replace(m, where=f"[{table}] {m.where}") for m in error.mistakes]
        raise InputError(named) from error
    except (ErcfwError, KeyboardInterrupt, MemoryError):
        raise
    except Exception as error:
        raise RunError(f"[{table}] {kind} '{part.use}' failed: {cause_of(error)}") from error
