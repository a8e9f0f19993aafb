"""The kind of part that a command names."""

from ercfw.cli.former_names import current_kind


def singular(kind: str) -> str:
    """Return the kind that a word names in the singular, in the plural or by its former name; else the word itself."""
    from ercfw.registry.catalog import KINDS

    plurals = {hook.removeprefix("provide_"): name for name, (hook, _) in KINDS.items()}
    return current_kind(plurals.get(kind, kind))
