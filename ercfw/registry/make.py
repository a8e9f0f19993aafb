"""Make a part that a recipe names."""

from dataclasses import replace
from typing import Any

from ercfw.errors import ErcfwError, InputError, RunError, cause_of
from ercfw.registry.catalog import construct
from ercfw.registry.options import constructor_arguments
from ercfw.registry.resolve import Made, ResolvedPart


def make_part(part: ResolvedPart[Made], *wired: Any) -> Made:
    """Make a part with its options; a mistake that its constructor raises is reported with the table.

    Args:
        part: the part.
        wired: a value for each positional parameter of the kind's base class; the part gets those that it takes.

    Raises:
        InputError: an option is wrong.
        RunError: the part's own code failed.
    """
    table, component = part.table, part.component
    try:
        made: Made = construct(component.kind, component.factory, wired, constructor_arguments(part.options))
    except InputError as error:
        named = [m if m.where.startswith("[") else replace(m, where=f"[{table}] {m.where}") for m in error.mistakes]
        raise InputError(named) from error
    except (ErcfwError, KeyboardInterrupt, MemoryError):
        raise
    except Exception as error:
        raise RunError(f"[{table}] {component.kind} '{component.name}' failed: {cause_of(error)}") from error
    return made
